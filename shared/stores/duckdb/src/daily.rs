//! The steps of a day.

use arrow_array::RecordBatch;
use duckdb::{Connection, Statement, ToSql, params, params_from_iter, types::Value as Bound};
use questline_events::Day;
use questline_stores::{
    daily::{Broken, CHECKS as PORT_CHECKS, CheckResult, Readiness, Residue, Snapshot, Table},
    warehouse::WarehouseError,
};

use crate::{
    database::Database,
    query::objects,
    values::{date, moment, moment_at, numbered},
    write::transaction,
};

macro_rules! text {
    ($($part:literal),+) => {
        include_str!(concat!("../../../../sql/", $($part,)+ ".duckdb.sql"))
    };
}

/// What empties a table of a day, and what fills it.
macro_rules! replacement {
    ($table:literal of $days:literal) => {
        (
            concat!("DELETE FROM ", $table, " WHERE ", $days),
            concat!("INSERT INTO ", $table, "\n", text!($table, "/query")),
        )
    };
}

const fn replacement(table: Table) -> (&'static str, &'static str) {
    match table {
        Table::CrossDayDuplicates => replacement!("cross_day_duplicates" of "run_date = $1"),
        Table::DayRows => replacement!("day_rows" of "event_date = $1"),
        Table::Events1minClosed => replacement!("events_1min_closed" of "window_start::DATE = $1"),
        Table::LedgerDays => replacement!("ledger_days" of "received_date = $1"),
        Table::LevelMetrics => replacement!("level_metrics" of "event_date = $1"),
        Table::Purchases => replacement!("purchases" of "event_date = $1"),
        Table::PurchasesCounted => replacement!("purchases_counted" of "event_date = $1"),
        Table::RetentionDaily => replacement!("retention_daily" of "event_date >= $1"),
        Table::RevenueDailyMetrics => replacement!("revenue_daily_metrics" of "event_date = $1"),
        Table::UserDailyMetrics => replacement!("user_daily_metrics" of "event_date = $1"),
    }
}

macro_rules! checks {
    ($($table:literal / $check:literal),+ $(,)?) => {
        [$((concat!($table, "/", $check), text!($table, "/checks/", $check))),+]
    };
}

const CHECKS: [(&str, &str); 7] = checks![
    "day_rows" / "data_present",
    "day_rows" / "level_present",
    "day_rows" / "completion_nulls",
    "level_metrics" / "pass_rate",
    "events_1min_closed" / "event_count",
    "events_1min_closed" / "event_count_so_far",
    "events_1min_closed" / "event_type_drop",
];

pub(crate) fn readiness(database: &Database, day: Day) -> Result<Readiness, WarehouseError> {
    database.with(|connection| {
        let mut statement = connection.prepare(text!("ledger_minutes/readiness"))?;
        statement.query_row([date(day)], |row| {
            Ok(Readiness {
                closed_through: moment_at(row, 0)?,
                open_minutes: row.get(1)?,
                first_open: moment_at(row, 2)?,
            })
        })
    })
}

pub(crate) fn replace(
    database: &Database,
    table: Table,
    day: Day,
    playtime_types: &str,
) -> Result<Option<Snapshot>, WarehouseError> {
    database.with(|connection| {
        transaction(connection, || {
            for table in table.first().into_iter().chain([table]) {
                let (empty, fill) = replacement(table);
                connection.execute(empty, [date(day)])?;
                let types = playtime_types.to_owned();
                let values = [("date", date(day)), ("playtime_types", Bound::Text(types))];
                connection.execute(fill, params_from_iter(numbered(fill, &values)?))?;
            }
            match table {
                Table::DayRows => snapshot(connection, day).map(Some),
                _ => Ok(None),
            }
        })
    })
}

fn snapshot(connection: &Connection, day: Day) -> duckdb::Result<Snapshot> {
    connection.query_row(text!("pipeline_runs/snapshot"), [date(day)], |row| {
        Ok(Snapshot { rows: row.get(0)?, touches: row.get(1)? })
    })
}

pub(crate) fn check(
    database: &Database,
    check: &str,
    day: Day,
    most: usize,
) -> Result<Broken, WarehouseError> {
    let text = CHECKS.iter().find(|(name, _)| *name == check).map(|(_, text)| *text);
    database.with(|connection| {
        let mut statement = connection.prepare(text.ok_or(duckdb::Error::InvalidQuery)?)?;
        let mut broken = Broken::default();
        for batch in batches(&mut statement, &[&date(day)])? {
            broken.rows += batch.num_rows() as u64;
            let room = most.saturating_sub(broken.first.len()).min(batch.num_rows());
            broken.first.extend(objects(&batch.slice(0, room)));
        }
        Ok(broken)
    })
}

pub(crate) fn keep(
    database: &Database,
    day: Day,
    run: &str,
    results: &[CheckResult],
) -> Result<(), WarehouseError> {
    database.with(|connection| {
        transaction(connection, || {
            connection.execute(
                "DELETE FROM quality_results WHERE event_date = ? AND run_id = ?",
                params![date(day), run],
            )?;
            let mut insert = connection
                .prepare("INSERT INTO quality_results VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
            for CheckResult { check, broken, checked_at } in results {
                let (name, severity) = (check.name, check.severity().as_str());
                let first = serde_json::Value::from(broken.first.clone()).to_string();
                let passed = broken.rows == 0;
                let shown = (!passed).then_some(first);
                let rows = i64::try_from(broken.rows).unwrap_or(i64::MAX);
                let checked_at = moment(*checked_at);
                insert.execute(params![
                    date(day),
                    run,
                    name,
                    severity,
                    passed,
                    rows,
                    shown,
                    checked_at
                ])?;
            }
            Ok(())
        })
    })
}

pub(crate) fn kept(
    database: &Database,
    day: Day,
    run: &str,
) -> Result<Vec<CheckResult>, WarehouseError> {
    let text = text!("quality_results/of_run");
    let values = [("date", date(day)), ("run_id", Bound::Text(run.to_owned()))];
    database.with(|connection| {
        let mut statement = connection.prepare(text)?;
        let mut rows = statement.query(params_from_iter(numbered(text, &values)?))?;
        let mut results = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            // A check that this release does not have any more stops nothing.
            if let Some(check) = PORT_CHECKS.iter().find(|check| check.name == name) {
                let broken = Broken { rows: row.get(1)?, first: Vec::new() };
                let checked_at = moment_at(row, 2)?.unwrap_or_default();
                results.push(CheckResult { check, broken, checked_at });
            }
        }
        Ok(results)
    })
}

pub(crate) fn residue(database: &Database, day: Day) -> Result<Residue, WarehouseError> {
    database.with(|connection| {
        connection.query_row(text!("ledger_days/share"), [date(day)], |row| {
            Ok(Residue { residue: row.get(0)?, records: row.get(1)?, frozen: row.get(2)? })
        })
    })
}

pub(crate) fn features(database: &Database, day: Day) -> Result<Vec<RecordBatch>, WarehouseError> {
    database.with(|connection| {
        let mut statement = connection.prepare(text!("level_features/export"))?;
        batches(&mut statement, &[&date(day)])
    })
}

/// The rows of a statement; of an answer without rows one empty batch, which has its columns.
fn batches(
    statement: &mut Statement<'_>,
    values: &[&dyn ToSql],
) -> duckdb::Result<Vec<RecordBatch>> {
    let schema = statement.stream_arrow(values)?.get_schema();
    let mut found = Vec::new();
    // Step by step: the iterator of the stream would panic where a query fails on the way.
    while let Some(chunk) = statement.step()? {
        found.push(RecordBatch::from(&chunk));
    }
    if found.is_empty() {
        found.push(RecordBatch::new_empty(schema));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_those_of_the_port() {
        let known: Vec<_> = PORT_CHECKS.iter().map(|check| check.name).collect();
        assert_eq!(CHECKS.map(|(name, _)| name), known[..]);
    }
}
