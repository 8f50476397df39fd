//! The steps of a day: the texts under `sql/` as they stand.

use arrow_array::RecordBatch;
use async_trait::async_trait;
use google_cloud_bigquery::query::Row;
use questline_events::{
    Day,
    limits::{DAILY_STEP, WAREHOUSE_STATEMENT},
};
use questline_stores::{
    Cause,
    daily::{Broken, CHECKS, Check, CheckResult, Daily, Readiness, Residue, Snapshot, Table},
    warehouse::WarehouseError,
};
use serde_json::Value as Json;

use crate::{
    BigqueryWarehouse, arrow,
    put::Put,
    query::{cells, fields},
    values::{Bound, date, flag, integer, json, moment, text},
};

const READINESS: &str = include_str!("../../../../sql/ledger_minutes/readiness.sql");
const SNAPSHOT: &str = include_str!("../../../../sql/pipeline_runs/snapshot.sql");
const OF_RUN: &str = include_str!("../../../../sql/quality_results/of_run.sql");
const SHARE: &str = include_str!("../../../../sql/ledger_days/share.sql");
const EXPORT: &str = include_str!("../../../../sql/level_features/export.sql");

/// Empties a table of a day and fills it. Columns are named: a later release may have added some.
fn filled(table: Table) -> String {
    let (name, days, query) = (table.name(), table.days(), table.query());
    let columns: Vec<_> = table.columns().map(|column| format!("`{column}`")).collect();
    let columns = columns.join(", ");
    format!("DELETE FROM {name} WHERE {days};\nINSERT INTO {name} ({columns})\n{query}")
}

/// Replaces a day in one transaction; what that saw of the day is the answer, where it is asked for.
fn replacement(table: Table) -> String {
    let replaced: String = table.first().into_iter().chain([table]).map(filled).collect();
    let (seen, told) = match table {
        Table::DayRows => {
            (format!("CREATE OR REPLACE TEMP TABLE seen AS\n{SNAPSHOT}"), "SELECT * FROM seen;\n")
        }
        _ => (String::new(), ""),
    };
    format!("BEGIN TRANSACTION;\n{replaced}{seen}COMMIT TRANSACTION;\n{told}")
}

fn of_day(day: Day) -> [(&'static str, Bound); 1] {
    [("date", date(day))]
}

#[async_trait]
impl Daily for BigqueryWarehouse {
    async fn readiness(&self, day: Day) -> Result<Readiness, WarehouseError> {
        let read = |row: &Row| {
            Ok::<_, Cause>(Readiness {
                closed_through: row.get("closed_through")?,
                open_minutes: row.get("open_minutes")?,
                first_open: row.get("first_open")?,
            })
        };
        self.one(READINESS, of_day(day), WAREHOUSE_STATEMENT, read).await
    }

    async fn replace(
        &self,
        table: Table,
        day: Day,
        playtime_types: &str,
    ) -> Result<Option<Snapshot>, WarehouseError> {
        let script = replacement(table);
        let types = [("playtime_types", text(playtime_types))];
        let types = types.into_iter().filter(|(name, _)| script.contains(name));
        let values = of_day(day).into_iter().chain(types);
        if table != Table::DayRows {
            return self.run(&script, values, DAILY_STEP).await.map(|()| None);
        }
        let snapshot = |row: &Row| {
            let (rows, touches) = (row.get("snapshot_rows")?, row.get("snapshot_touches")?);
            Ok::<_, Cause>(Snapshot { rows, touches })
        };
        self.one(&script, values, DAILY_STEP, snapshot).await.map(Some)
    }

    async fn check(&self, check: &Check, day: Day, most: usize) -> Result<Broken, WarehouseError> {
        let done = self.answered(check.text, of_day(day), DAILY_STEP, None).await?;
        let fields = fields(&done);
        let total = done.metadata().total_rows;
        let (mut rows, mut broken) = (done.read(), Broken::default());
        while let Some(row) = self.next(&mut rows).await? {
            broken.rows += 1;
            if broken.first.len() < most {
                let row = cells(row, &fields).map_err(|other| self.damaged(other.into()))?;
                let names = fields.iter().map(|field| field.name.clone());
                broken.first.push(Json::Object(names.zip(row).collect()));
            } else if let Some(total) = total {
                broken.rows = total;
                break;
            }
        }
        Ok(broken)
    }

    /// Each by a statement of its own: a step that is tried again writes the same again.
    async fn keep(
        &self,
        day: Day,
        run: &str,
        results: &[CheckResult],
    ) -> Result<(), WarehouseError> {
        for CheckResult { check, broken, checked_at } in results {
            let passed = broken.rows == 0;
            let shown = (!passed).then(|| Json::from(broken.first.clone()).to_string());
            let result = Put {
                table: "quality_results",
                keys: &["event_date", "run_id", "check_name"],
                row: vec![
                    ("event_date", date(day)),
                    ("run_id", text(run)),
                    ("check_name", text(check.name)),
                    ("severity", text(check.severity().as_str())),
                    ("passed", flag(passed)),
                    ("broken_rows", integer(i64::try_from(broken.rows).unwrap_or(i64::MAX))),
                    ("broken", json(shown)),
                    ("checked_at", moment(*checked_at)),
                ],
            };
            self.put_over(&result).await?;
        }
        Ok(())
    }

    async fn kept(&self, day: Day, run: &str) -> Result<Vec<CheckResult>, WarehouseError> {
        let values = [("date", date(day)), ("run_id", text(run))];
        let result = |row: &Row| -> Result<_, Cause> {
            let name: String = row.get("check_name")?;
            // A check that this release does not have any more stops nothing.
            let Some(check) = CHECKS.iter().find(|check| check.name == name) else {
                return Ok(None);
            };
            let rows = u64::try_from(row.get::<i64>("broken_rows")?)?;
            let broken = Broken { rows, first: Vec::new() };
            Ok(Some(CheckResult { check, broken, checked_at: row.get("checked_at")? }))
        };
        let results = self.look(OF_RUN, values, WAREHOUSE_STATEMENT, result).await?;
        Ok(results.into_iter().flatten().collect())
    }

    async fn residue(&self, day: Day) -> Result<Residue, WarehouseError> {
        let read = |row: &Row| {
            let (residue, records) = (row.get("residue")?, row.get("records")?);
            Ok::<_, Cause>(Residue { residue, records, frozen: row.get("frozen")? })
        };
        self.one(SHARE, of_day(day), WAREHOUSE_STATEMENT, read).await
    }

    async fn features(&self, day: Day) -> Result<Vec<RecordBatch>, WarehouseError> {
        let done = self.answered(EXPORT, of_day(day), DAILY_STEP, None).await?;
        let (fields, total) = (fields(&done), done.metadata().total_rows);
        let (mut rows, mut found) = (done.read(), Vec::new());
        while let Some(row) = self.next(&mut rows).await? {
            found.push(row);
        }
        if total.is_some_and(|total| total != found.len() as u64) {
            let cause: Cause = format!("{} of its rows were read", found.len()).into();
            return Err(WarehouseError::Unavailable(cause));
        }
        let batch = arrow::batch(&fields, &found).map_err(|other| self.damaged(other))?;
        Ok(vec![batch])
    }
}
