//! Training: who carries a job out, and the book of what became of each.

use async_trait::async_trait;
use questline_events::Day;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Cause, warehouse::WarehouseError};

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It has not ended: it waits, runs, is paused or is being cancelled.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended, and not well.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl JobState {
    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A job as its trainer knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// How it stands.
    pub state: JobState,
    /// What it was started with.
    pub parameters: Map<String, Value>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What a job is started with.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// Its name: a second job of this name is never made.
    pub id: &'a str,
    /// The compiled pipeline.
    pub spec: &'a Value,
    /// Values of the pipeline's parameters.
    pub parameters: &'a Map<String, Value>,
}

/// What became of the wish for a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It is there now.
    New(Job),
    /// One of this name was there before.
    Already,
}

/// Why a trainer did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// It may serve later: ask again.
    #[error("training cannot be reached")]
    Unavailable(#[source] Cause),
    /// It will refuse this again, until somebody mends it.
    #[error("training is refused: {0}")]
    Refused(String),
}

/// Who carries training jobs out.
#[async_trait]
pub trait Trainer: Send + Sync {
    /// Starts a job, unless there is one of its name.
    async fn create(&self, job: &NewJob<'_>) -> Result<Created, TrainerError>;

    /// A job by its name.
    async fn job(&self, id: &str) -> Result<Option<Job>, TrainerError>;
}

/// An entry of the table `training_runs`: how an attempt at a day stood at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingRun {
    /// The closed day up to which is trained.
    pub training_date: Day,
    /// From 1; 0 where the conditions were not met and nothing was started.
    pub attempt: u32,
    /// The job's name; none if nothing was started.
    pub job_id: Option<String>,
    /// A word of [`JobState`], or `not_met`.
    pub state: String,
    /// What is missing or went wrong, in words for a person.
    pub detail: Option<String>,
    /// Where the list of the files lies that it is trained on.
    pub manifest: Option<String>,
    /// SHA-256 of the compiled pipeline.
    pub pipeline_version: String,
    /// Release that started it.
    pub function_version: String,
    /// Days that were asked for.
    pub lookback_days: u32,
    /// Days of them whose features were there.
    pub days_present: u32,
    /// When this was seen, microseconds since 1970.
    pub recorded_at: i64,
}

/// The book of training, in the warehouse.
#[async_trait]
pub trait TrainingRuns: Send + Sync {
    /// The last entry of each attempt, of days from `since` on, in their order.
    async fn latest(&self, since: Day) -> Result<Vec<TrainingRun>, WarehouseError>;

    /// Adds an entry.
    async fn record(&self, run: &TrainingRun) -> Result<(), WarehouseError>;
}
