//! The book of training.

use duckdb::{Row, params};
use questline_events::Day;
use questline_stores::{training::TrainingRun, warehouse::WarehouseError};

use crate::{
    database::Database,
    values::{date, day_at, moment, moment_at},
};

const LATEST: &str = include_str!("../../../../sql/training_runs/latest.duckdb.sql");

pub(crate) fn latest(database: &Database, since: Day) -> Result<Vec<TrainingRun>, WarehouseError> {
    database.with(|connection| {
        connection.prepare_cached(LATEST)?.query_map(params![date(since)], run)?.collect()
    })
}

fn run(row: &Row<'_>) -> duckdb::Result<TrainingRun> {
    Ok(TrainingRun {
        training_date: day_at(row, 0)?,
        attempt: row.get(1)?,
        job_id: row.get(2)?,
        state: row.get(3)?,
        detail: row.get(4)?,
        manifest: row.get(5)?,
        pipeline_version: row.get(6)?,
        function_version: row.get(7)?,
        lookback_days: row.get(8)?,
        days_present: row.get(9)?,
        recorded_at: moment_at(row, 10)?.unwrap_or_default(),
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
            moment(run.recorded_at),
        ])?;
        appender.flush()
    })
}
