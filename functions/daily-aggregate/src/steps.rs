//! What each step does.

use std::{error::Error, sync::Arc};

use questline_events::{
    Day,
    limits::{CHECK_ROWS, DAILY_PATIENCE, DAILY_STEP, DAILY_WAIT, LETTER_DAYS},
    time::{MINUTE, micros, text},
};
use questline_runtime::clock::Clock;
use questline_stores::{
    daily::{
        CHECKS, CheckResult, DayWarehouse, FeatureStore, MetricsReady, Publisher, Readiness,
        Snapshot, Table, features_of, manifest_of,
    },
    warehouse::WarehouseError,
};

use crate::{
    checks,
    features::{self, About},
    graph::Step,
};

/// What steps work with.
#[derive(Clone)]
pub struct Ports {
    /// Tables of days, and runs.
    pub warehouse: Arc<dyn DayWarehouse>,
    /// Where features go.
    pub features: Arc<dyn FeatureStore>,
    /// Where the message goes.
    pub ready: Arc<dyn Publisher>,
    /// Codes of the registry marked `playtime`, commas between them.
    pub playtime_types: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// A step of a run.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) step: Step,
    pub(crate) day: Day,
    pub(crate) run: String,
    /// When the run first looked whether its day is ready.
    pub(crate) waits_since: i64,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Option<Snapshot>),
    /// What an earlier run has done stands, and why.
    Stands(String),
    Waiting(String),
    Skipped(String),
    /// It may be tried again.
    Failed(String),
}

pub(crate) async fn run(ports: Ports, work: Work) -> Outcome {
    let outcome = match tokio::time::timeout(DAILY_STEP, attempt(&ports, &work)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Failed(told(&*error)),
        Err(_) => {
            Outcome::Failed(format!("it took longer than {} minutes", DAILY_STEP.as_secs() / 60))
        }
    };
    match outcome {
        // Whatever it is that the day is not ready for, it is looked again until it is too late.
        Outcome::Failed(why) if work.step == Step::Wait && !late(&ports, &work) => {
            Outcome::Waiting(why)
        }
        outcome => outcome,
    }
}

async fn attempt(ports: &Ports, work: &Work) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    let Work { step, day, run, .. } = work;
    Ok(match step {
        Step::Wait => wait(ports, work).await?,
        Step::Replace(table) => replace(ports, *day, *table).await?,
        Step::QualityResults => {
            check(ports, *day, run).await?;
            Outcome::Done(None)
        }
        Step::LevelFeatures => export(ports, *day, run).await?,
        Step::MetricsReady => {
            let residue = checks::share(ports.warehouse.residue(*day).await?);
            let manifest = manifest_of(*day);
            // What did not pass was not exported, and so never comes here.
            let (day, run, checks_passed) = (*day, run.clone(), true);
            let message = MetricsReady { day, checks_passed, residue, manifest, run };
            ports.ready.publish(&message).await?;
            Outcome::Done(None)
        }
    })
}

/// A day is ready when no minute in which its events may have been received is open.
async fn wait(ports: &Ports, work: &Work) -> Result<Outcome, WarehouseError> {
    let Readiness { closed_through, open_minutes, first_open } =
        ports.warehouse.readiness(work.day).await?;
    let last = work.day.end() - MINUTE;
    if closed_through.is_some_and(|through| through >= last) && open_minutes == 0 {
        return Ok(Outcome::Done(None));
    }
    let why = match (first_open, closed_through) {
        (Some(first), _) => {
            format!("{open_minutes} minutes of the ledger are still open, from {} on", text(first))
        }
        (None, Some(through)) => format!("the ledger is closed through {} only", text(through)),
        (None, None) => "no minute of the ledger is closed yet".to_owned(),
    };
    if !late(ports, work) {
        return Ok(Outcome::Waiting(why));
    }
    Ok(Outcome::Failed(format!(
        "{why}: processing lags, or an instance of ingest hangs (`questline ledger` names the minutes)"
    )))
}

/// Whether a day that is not ready now has failed.
fn late(ports: &Ports, work: &Work) -> bool {
    let (patience, least) = (micros(DAILY_PATIENCE), micros(DAILY_WAIT));
    let deadline = (work.day.end() + patience).max(work.waits_since + least);
    ports.clock.now_micros() >= deadline
}

async fn replace(ports: &Ports, day: Day, table: Table) -> Result<Outcome, WarehouseError> {
    let expired = day.plus(LETTER_DAYS).start() <= ports.clock.now_micros();
    if table == Table::LedgerDays && expired && ports.warehouse.residue(day).await?.frozen {
        return Ok(Outcome::Stands(format!(
            "the ledger of the day stands as it was counted: letters are kept for {LETTER_DAYS} days, \
             and those that have expired would be missing"
        )));
    }
    let types = &ports.playtime_types;
    Ok(Outcome::Done(ports.warehouse.replace(table, day, types).await?))
}

async fn check(ports: &Ports, day: Day, run: &str) -> Result<(), WarehouseError> {
    let mut results = Vec::new();
    for check in CHECKS {
        let broken = ports.warehouse.check(check, day, CHECK_ROWS).await?;
        let checked_at = ports.clock.now_micros();
        if broken.rows > 0 {
            let (check, rows) = (check.name, broken.rows);
            tracing::warn!(%day, run, check, rows, "daily.check");
        }
        results.push(CheckResult { check, broken, checked_at });
    }
    ports.warehouse.keep(day, run, &results).await
}

async fn export(
    ports: &Ports,
    day: Day,
    run: &str,
) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    let results = ports.warehouse.kept(day, run).await?;
    let residue = ports.warehouse.residue(day).await?;
    if let Some(why) = checks::stops(&results, residue) {
        // What an earlier run exported had passed, and is not what the day is now.
        ports.features.remove(&features_of(day)).await?;
        return Ok(Outcome::Skipped(why));
    }
    let batches = ports.warehouse.features(day).await?;
    let about = About {
        day,
        run: run.to_owned(),
        checks: checks::told(&results),
        ledger_residue: checks::share(residue),
    };
    let files = features::files(&batches, about)?;
    ports.features.replace(&features_of(day), files).await?;
    Ok(Outcome::Done(None))
}

/// An error with its causes.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_kept_as_long_as_their_partitions() {
        let definition = include_str!("../../../sql/events_dlq/definition.sql");
        let expires = format!("partition_expiration_days = {LETTER_DAYS}\n");
        assert!(definition.contains(&expires), "{definition}");
    }
}
