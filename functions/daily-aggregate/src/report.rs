//! What a call did.

use questline_events::Day;
use questline_stores::daily::{Attempt, State};
use serde::{Deserialize, Serialize};

use crate::{Failure, graph::Verdict};

/// How a day stands after a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The day.
    pub day: Day,
    /// Its run; empty where nothing was done.
    pub run: String,
    /// How it stands.
    pub standing: Standing,
    /// What stopped, failed, or is waited for.
    pub why: Option<String>,
    /// Not before this moment there is something to be done: microseconds since 1970.
    pub again_at: Option<i64>,
    /// The last attempt of every step that began.
    pub steps: Vec<StepReport>,
}

/// How a day stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is closed.
    Done,
    /// Its metrics stand; export and training were stopped.
    Stopped,
    /// A step failed for good.
    Failed,
    /// The next call goes on.
    Unfinished,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its name.
    pub step: String,
    /// How often it was tried.
    pub attempt: u32,
    /// How it stands.
    pub state: State,
    /// How long it took, in milliseconds.
    pub took_ms: Option<i64>,
    /// What went wrong, and its mend.
    pub error: Option<String>,
}

impl Report {
    pub(crate) fn of(day: Day, run: &str, attempts: &[Attempt]) -> Self {
        let mut steps: Vec<StepReport> = Vec::new();
        for attempt in attempts {
            let told = StepReport {
                step: attempt.step.clone(),
                attempt: attempt.attempt,
                state: attempt.state,
                took_ms: attempt.finished_at.map(|end| (end - attempt.started_at) / 1_000),
                error: attempt.error.clone(),
            };
            match steps.iter_mut().find(|known| known.step == told.step) {
                Some(known) if known.attempt <= told.attempt => *known = told,
                Some(_) => {}
                None => steps.push(told),
            }
        }
        let (standing, why, again_at) = (Standing::Unfinished, None, None);
        Self { day, run: run.to_owned(), standing, why, again_at, steps }
    }

    /// Nothing was done about the day, for this time.
    pub(crate) fn refused(day: Day, why: &Failure) -> Self {
        Self::of(day, "", &[]).later(None, Some(why.to_string()))
    }

    pub(crate) fn ended(mut self, verdict: Verdict) -> Self {
        (self.standing, self.why) = match verdict {
            Verdict::Done => (Standing::Done, None),
            Verdict::Stopped(why) => (Standing::Stopped, Some(why)),
            Verdict::Failed(step, error) => {
                (Standing::Failed, Some(format!("{}: {error}", step.name())))
            }
        };
        self
    }

    pub(crate) fn later(mut self, at: Option<i64>, why: Option<String>) -> Self {
        (self.again_at, self.why) = (at, why);
        self
    }
}
