//! A row of `pipeline_runs`.

use std::fmt;

use questline_events::Day;
use serde::{Deserialize, Serialize};

/// One attempt at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The day that is closed.
    pub day: Day,
    /// The run of the day, with its resumes.
    pub run: String,
    /// The step, named as what it writes.
    pub step: String,
    /// From 1.
    pub attempt: u32,
    /// How it stands.
    pub state: State,
    /// Microseconds since 1970.
    pub started_at: i64,
    /// `None` while it runs, or if it was killed.
    pub finished_at: Option<i64>,
    /// What went wrong, and its mend.
    pub error: Option<String>,
    /// What the step `day_rows` saw of the day.
    pub snapshot: Option<Snapshot>,
}

/// What the rows of a day were when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Rows of `events` of the day.
    pub rows: i64,
    /// Entries of `touched_days` of the day.
    pub touches: i64,
}

/// How an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It looks for what is not there yet.
    Waiting,
    /// It is at work, or was killed.
    Running,
    /// It has done what it is for.
    Done,
    /// It has not.
    Failed,
    /// It was not to be done.
    Skipped,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Running, Self::Done, Self::Failed, Self::Skipped];

    /// As the table writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// From what the table has; what no release wrote is a failure.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == text).unwrap_or(Self::Failed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
