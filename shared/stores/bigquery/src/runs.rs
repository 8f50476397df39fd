//! Which steps of which days were run, and which days have changed since.

use async_trait::async_trait;
use google_cloud_bigquery::query::Row;
use questline_events::{
    Day,
    limits::{DAILY_STEP, WAREHOUSE_STATEMENT},
};
use questline_stores::{
    Cause,
    daily::{Attempt, KnownDay, Runs, Snapshot, State},
    warehouse::WarehouseError,
};

use crate::{
    BigqueryWarehouse,
    put::Put,
    values::{Bound, date, integer, moment, text},
};

const LATEST: &str = include_str!("../../../../sql/pipeline_runs/latest.sql");
const DAYS: &str = include_str!("../../../../sql/pipeline_runs/days.sql");
const TOUCH: &str = concat!(
    "INSERT INTO touched_days (event_date, reason, touched_at)\n",
    include_str!("../../../../sql/touched_days/query.sql")
);

#[async_trait]
impl Runs for BigqueryWarehouse {
    async fn attempts(&self, from: Day, through: Day) -> Result<Vec<Attempt>, WarehouseError> {
        self.look(LATEST, range(from, through), WAREHOUSE_STATEMENT, read).await
    }

    /// Of two who begin it at once, whoever writes last sees both rows: at most one has begun it, and
    /// if none has, it is taken for killed in time.
    async fn begin(&self, attempt: &Attempt) -> Result<bool, WarehouseError> {
        let entry = entry(attempt);
        let text = format!(
            "{};\nSELECT COUNT(*) = 1 AND MIN(started_at) = @started_at AS ours\n\
             FROM pipeline_runs AS known WHERE {};",
            entry.insert(),
            entry.known()
        );
        let ours = |row: &Row| Ok::<bool, Cause>(row.get("ours")?);
        self.one(&text, entry.values(), WAREHOUSE_STATEMENT, ours).await
    }

    async fn record(&self, attempt: &Attempt) -> Result<(), WarehouseError> {
        self.put_over(&entry(attempt)).await
    }

    async fn touch(&self, from: Day, through: Day, now: i64) -> Result<(), WarehouseError> {
        let values = range(from, through).into_iter().chain([("now", moment(now))]);
        self.run(TOUCH, values, DAILY_STEP).await
    }

    async fn days(&self, from: Day, through: Day) -> Result<Vec<KnownDay>, WarehouseError> {
        let read =
            |row: &Row| Ok::<_, Cause>(KnownDay { day: day(row)?, stale: row.get("stale")? });
        self.look(DAYS, range(from, through), WAREHOUSE_STATEMENT, read).await
    }
}

fn range(from: Day, through: Day) -> [(&'static str, Bound); 2] {
    [("from_date", date(from)), ("through_date", date(through))]
}

fn day(row: &Row) -> Result<Day, Cause> {
    Ok(row.get::<String>("event_date")?.parse()?)
}

fn entry(attempt: &Attempt) -> Put<'_> {
    let seen = attempt.snapshot;
    Put {
        table: "pipeline_runs",
        keys: &["event_date", "run_id", "step", "attempt"],
        row: vec![
            ("event_date", date(attempt.day)),
            ("run_id", text(&*attempt.run)),
            ("step", text(&*attempt.step)),
            ("attempt", integer(i64::from(attempt.attempt))),
            ("state", text(attempt.state.as_str())),
            ("started_at", moment(attempt.started_at)),
            ("finished_at", moment(attempt.finished_at)),
            ("error", text(attempt.error.as_deref())),
            ("snapshot_rows", integer(seen.map(|seen| seen.rows))),
            ("snapshot_touches", integer(seen.map(|seen| seen.touches))),
        ],
    }
}

fn read(row: &Row) -> Result<Attempt, Cause> {
    let seen = (row.get("snapshot_rows")?, row.get("snapshot_touches")?);
    let snapshot = match seen {
        (Some(rows), Some(touches)) => Some(Snapshot { rows, touches }),
        _ => None,
    };
    Ok(Attempt {
        day: day(row)?,
        run: row.get("run_id")?,
        step: row.get("step")?,
        attempt: u32::try_from(row.get::<i64>("attempt")?)?,
        state: State::of(&row.get::<String>("state")?),
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        error: row.get("error")?,
        snapshot,
    })
}
