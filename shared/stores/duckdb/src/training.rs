//! The book of training.

use chrono::{Days, NaiveDate};
use duckdb::{
    Row, params,
    types::{TimeUnit, Value, ValueRef},
};
use questline_stores::{training::TrainingRun, warehouse::WarehouseError};

use crate::database::Database;

const LATEST: &str = include_str!("../../../../sql/training_runs/latest.duckdb.sql");

/// A day as DuckDB keeps it: days since 1970.
fn date(day: NaiveDate) -> Value {
    let days = day.signed_duration_since(NaiveDate::default()).num_days();
    Value::Date32(i32::try_from(days).unwrap_or(i32::MAX))
}

pub(crate) fn latest(
    database: &Database,
    since: NaiveDate,
) -> Result<Vec<TrainingRun>, WarehouseError> {
    database.with(|connection| {
        connection.prepare_cached(LATEST)?.query_map(params![date(since)], run)?.collect()
    })
}

fn run(row: &Row<'_>) -> duckdb::Result<TrainingRun> {
    let other = |at, found: ValueRef<'_>| {
        duckdb::Error::InvalidColumnType(at, String::new(), found.data_type())
    };
    let day = match row.get_ref(0)? {
        ValueRef::Date32(days) => u64::try_from(days)
            .ok()
            .and_then(|days| NaiveDate::default().checked_add_days(Days::new(days)))
            .ok_or(duckdb::Error::IntegralValueOutOfRange(0, days.into()))?,
        found => return Err(other(0, found)),
    };
    let recorded_at = match row.get_ref(10)? {
        ValueRef::Timestamp(unit, value) => unit.to_micros(value),
        found => return Err(other(10, found)),
    };
    Ok(TrainingRun {
        training_date: day,
        attempt: row.get(1)?,
        job_id: row.get(2)?,
        state: row.get(3)?,
        detail: row.get(4)?,
        manifest: row.get(5)?,
        pipeline_version: row.get(6)?,
        function_version: row.get(7)?,
        lookback_days: row.get(8)?,
        days_present: row.get(9)?,
        recorded_at,
    })
}

pub(crate) fn record(database: &Database, run: &TrainingRun) -> Result<(), WarehouseError> {
    database.with(|connection| {
        let mut appender = connection.appender("training_runs")?;
        appender.append_row(params![
            date(run.training_date),
            run.attempt,
            run.job_id,
            run.state,
            run.detail,
            run.manifest,
            run.pipeline_version,
            run.function_version,
            run.lookback_days,
            run.days_present,
            Value::Timestamp(TimeUnit::Microsecond, run.recorded_at),
        ])?;
        appender.flush()
    })
}
