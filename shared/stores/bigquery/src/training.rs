//! The book of training.

use async_trait::async_trait;
use google_cloud_bigquery::query::Row;
use questline_events::{Day, limits::WAREHOUSE_STATEMENT};
use questline_stores::{
    Cause,
    training::{TrainingRun, TrainingRuns},
    warehouse::WarehouseError,
};

use crate::{
    BigqueryWarehouse,
    put::Put,
    values::{date, integer, moment, text},
};

const LATEST: &str = include_str!("../../../../sql/training_runs/latest.sql");

#[async_trait]
impl TrainingRuns for BigqueryWarehouse {
    async fn latest(&self, since: Day) -> Result<Vec<TrainingRun>, WarehouseError> {
        self.look(LATEST, [("since", date(since))], WAREHOUSE_STATEMENT, run).await
    }

    async fn record(&self, run: &TrainingRun) -> Result<(), WarehouseError> {
        let entry = Put {
            table: "training_runs",
            keys: &["training_date", "attempt", "recorded_at", "state"],
            row: vec![
                ("training_date", date(run.training_date)),
                ("attempt", integer(i64::from(run.attempt))),
                ("job_id", text(run.job_id.as_deref())),
                ("state", text(&*run.state)),
                ("detail", text(run.detail.as_deref())),
                ("manifest", text(run.manifest.as_deref())),
                ("pipeline_version", text(&*run.pipeline_version)),
                ("function_version", text(&*run.function_version)),
                ("lookback_days", integer(i64::from(run.lookback_days))),
                ("days_present", integer(i64::from(run.days_present))),
                ("recorded_at", moment(run.recorded_at)),
            ],
        };
        self.put(&entry).await
    }
}

fn run(row: &Row) -> Result<TrainingRun, Cause> {
    let number = |name: &str| Ok::<_, Cause>(u32::try_from(row.get::<i64>(name)?)?);
    Ok(TrainingRun {
        training_date: row.get::<String>("training_date")?.parse()?,
        attempt: number("attempt")?,
        job_id: row.get("job_id")?,
        state: row.get("state")?,
        detail: row.get("detail")?,
        manifest: row.get("manifest")?,
        pipeline_version: row.get("pipeline_version")?,
        function_version: row.get("function_version")?,
        lookback_days: number("lookback_days")?,
        days_present: number("days_present")?,
        recorded_at: row.get("recorded_at")?,
    })
}
