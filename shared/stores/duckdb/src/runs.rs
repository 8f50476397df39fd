//! Which steps of which days were run, and which days have changed since.

use duckdb::{Connection, Row, params, params_from_iter};
use questline_events::Day;
use questline_stores::{
    daily::{Attempt, KnownDay, Snapshot, State},
    warehouse::WarehouseError,
};

use crate::{
    database::Database,
    values::{date, day_at, moment, moment_at, numbered},
    write::transaction,
};

const LATEST: &str = include_str!("../../../../sql/pipeline_runs/latest.duckdb.sql");
const DAYS: &str = include_str!("../../../../sql/pipeline_runs/days.duckdb.sql");
const TOUCH: &str = concat!(
    "INSERT INTO touched_days\n",
    include_str!("../../../../sql/touched_days/query.duckdb.sql")
);

pub(crate) fn attempts(
    database: &Database,
    from: Day,
    through: Day,
) -> Result<Vec<Attempt>, WarehouseError> {
    database.with(|connection| {
        connection
            .prepare(LATEST)?
            .query_map(params_from_iter(range(LATEST, from, through)?), attempt)?
            .collect()
    })
}

fn attempt(row: &Row<'_>) -> duckdb::Result<Attempt> {
    let snapshot = match (row.get::<_, Option<i64>>(8)?, row.get::<_, Option<i64>>(9)?) {
        (Some(rows), Some(touches)) => Some(Snapshot { rows, touches }),
        _ => None,
    };
    Ok(Attempt {
        day: day_at(row, 0)?,
        run: row.get(1)?,
        step: row.get(2)?,
        attempt: row.get(3)?,
        state: State::of(&row.get::<_, String>(4)?),
        started_at: moment_at(row, 5)?.unwrap_or_default(),
        finished_at: moment_at(row, 6)?,
        error: row.get(7)?,
        snapshot,
    })
}

/// One writer, so that of two who begin one is first.
pub(crate) fn begin(database: &Database, attempt: &Attempt) -> Result<bool, WarehouseError> {
    database.with(|connection| {
        transaction(connection, || {
            let known: i64 = connection.query_row(
                "SELECT count(*) FROM pipeline_runs
                 WHERE event_date = ? AND run_id = ? AND step = ? AND attempt = ?",
                params![date(attempt.day), attempt.run, attempt.step, attempt.attempt],
                |row| row.get(0),
            )?;
            if known == 0 {
                insert(connection, attempt)?;
            }
            Ok(known == 0)
        })
    })
}

pub(crate) fn record(database: &Database, attempt: &Attempt) -> Result<(), WarehouseError> {
    database.with(|connection| {
        transaction(connection, || {
            connection.execute(
                "DELETE FROM pipeline_runs
                 WHERE event_date = ? AND run_id = ? AND step = ? AND attempt = ?",
                params![date(attempt.day), attempt.run, attempt.step, attempt.attempt],
            )?;
            insert(connection, attempt)
        })
    })
}

fn insert(connection: &Connection, attempt: &Attempt) -> duckdb::Result<()> {
    let sql = "INSERT INTO pipeline_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = params![
        date(attempt.day),
        attempt.run,
        attempt.step,
        attempt.attempt,
        attempt.state.as_str(),
        moment(attempt.started_at),
        attempt.finished_at.map(moment),
        attempt.error,
        attempt.snapshot.map(|snapshot| snapshot.rows),
        attempt.snapshot.map(|snapshot| snapshot.touches)
    ];
    connection.execute(sql, values).map(|_| ())
}

pub(crate) fn touch(
    database: &Database,
    from: Day,
    through: Day,
    now: i64,
) -> Result<(), WarehouseError> {
    database.with(|connection| {
        let days = [("from_date", date(from)), ("through_date", date(through))];
        let values = [&days[..], &[("now", moment(now))]].concat();
        connection.execute(TOUCH, params_from_iter(numbered(TOUCH, &values)?)).map(|_| ())
    })
}

pub(crate) fn days(
    database: &Database,
    from: Day,
    through: Day,
) -> Result<Vec<KnownDay>, WarehouseError> {
    database.with(|connection| {
        connection
            .prepare(DAYS)?
            .query_map(params_from_iter(range(DAYS, from, through)?), |row| {
                Ok(KnownDay { day: day_at(row, 0)?, stale: row.get(1)? })
            })?
            .collect()
    })
}

fn range(text: &str, from: Day, through: Day) -> duckdb::Result<Vec<duckdb::types::Value>> {
    numbered(text, &[("from_date", date(from)), ("through_date", date(through))])
}
