//! One message, or one look at the jobs under way: what was decided is carried out and written down.

use std::{collections::BTreeMap, sync::Arc};

use questline_events::{
    Day,
    limits::{MANIFEST_BYTES, TRAINING_CALL, TRAINING_FOLLOW_DAYS},
};
use questline_runtime::{clock::Clock, metrics::Metrics};
use questline_stores::{
    daily::{Manifest, MetricsReady, manifest_of},
    objects::{Objects, ObjectsError},
    training::{Created, Job, JobState, NewJob, Trainer, TrainerError, TrainingRun, TrainingRuns},
    warehouse::WarehouseError,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::{
    decide::{DayFound, Next, Seen, Terms, job_id, judge, next, not_due},
    manifest::TrainingManifest,
    sha256,
    spec::{Misfit, Spec},
};

/// What a trigger works with.
pub struct Trigger {
    /// Where the features of each day lie.
    pub features: Arc<dyn Objects>,
    /// Where manifests and models lie.
    pub root: Arc<dyn Objects>,
    /// Who carries jobs out.
    pub trainer: Arc<dyn Trainer>,
    /// The book.
    pub runs: Arc<dyn TrainingRuns>,
    /// The pipeline.
    pub spec: Spec,
    /// When training is right.
    pub terms: Terms,
    /// Shows how far was trained.
    pub metrics: Arc<Metrics>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is another day's turn.
    NotDue {
        /// Which.
        why: String,
    },
    /// It would be time, and something stands against it.
    NotMet {
        /// Everything that does.
        unmet: Vec<String>,
    },
    /// A job was started.
    Started {
        /// Its name.
        job: String,
    },
    /// The day's job was there before.
    Stands {
        /// Its name.
        job: String,
        /// How it stands.
        state: JobState,
    },
    /// Every attempt has failed: somebody is to look why.
    GivenUp {
        /// The last job's name.
        job: String,
    },
}

/// A job that was followed, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// Its name.
    pub job: String,
    /// How it stands.
    pub state: JobState,
}

/// Why a call did not do what it should: the message is to come again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Features cannot be read, or the manifest cannot be written.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// A manifest of features cannot be understood.
    #[error("{0} is no manifest: export that day anew")]
    Manifest(String, #[source] serde_json::Error),
    /// The job cannot be started, or asked for.
    #[error(transparent)]
    Trainer(#[from] TrainerError),
    /// The pipeline takes other parameters: the release is at fault.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The book cannot be read or written.
    #[error(transparent)]
    Runs(#[from] WarehouseError),
    /// A job that was said to be there is not to be seen yet.
    #[error("the job {0} is there, and cannot be read")]
    Vanished(String),
    /// It took too long.
    #[error("not done within {TRAINING_CALL:?}")]
    Late,
}

/// A day that is to be trained on, and what is known of it.
struct Order<'a> {
    message: &'a MetricsReady,
    days_present: u32,
    manifest: String,
    now: i64,
}

/// What is written down of an attempt.
struct Entry<'a> {
    attempt: u32,
    state: &'a str,
    detail: Option<String>,
    manifest: Option<String>,
}

impl Trigger {
    /// Carries out what a message asks for. The same message again changes nothing, whatever became
    /// of the call before.
    ///
    /// # Errors
    /// If something cannot be reached, or says no: the message is to come again.
    pub async fn ready(&self, message: &MetricsReady) -> Result<Outcome, Failure> {
        timeout(TRAINING_CALL, self.answered(message)).await.unwrap_or(Err(Failure::Late))
    }

    async fn answered(&self, message: &MetricsReady) -> Result<Outcome, Failure> {
        if let Some(why) = not_due(&self.terms, message.day) {
            return Ok(Outcome::NotDue { why });
        }
        let (days, unmet) = judge(&self.terms, message, self.found(message.day).await?);
        let manifest =
            TrainingManifest::new(message, &days, &self.spec.version, self.terms.lookback_days);
        // It serialises: numbers, texts, and JSON that was read.
        let manifest = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        let name = format!("manifests/{}-{}.json", message.day, &sha256(&manifest)[..12]);
        let order = Order {
            message,
            days_present: u32::try_from(days.len()).unwrap_or(u32::MAX),
            manifest: self.root.uri(&name),
            now: self.clock.now_micros(),
        };
        if !unmet.is_empty() {
            let unmet: Vec<_> = unmet.iter().map(ToString::to_string).collect();
            let detail = Some(unmet.join("; "));
            let entry = Entry { attempt: 0, state: "not_met", detail, manifest: None };
            self.record(&order, entry).await?;
            return Ok(Outcome::NotMet { unmet });
        }
        // Before the job: one that starts finds it.
        self.root.put(&name, manifest.into()).await?;
        self.carried_out(&order).await
    }

    /// The manifests of the days that are there.
    async fn found(&self, last: Day) -> Result<BTreeMap<Day, DayFound>, Failure> {
        let mut found = BTreeMap::new();
        for day in self.terms.days(last) {
            let name = manifest_of(day);
            let Some(content) = self.features.get(&name, MANIFEST_BYTES).await? else { continue };
            let unreadable = |error| Failure::Manifest(self.features.uri(&name), error);
            let manifest: Manifest = serde_json::from_slice(&content).map_err(unreadable)?;
            found.insert(day, DayFound { manifest, sha256: sha256(&content) });
        }
        Ok(found)
    }

    /// From attempt to attempt, until one runs or has ended well.
    async fn carried_out(&self, order: &Order<'_>) -> Result<Outcome, Failure> {
        let day = order.message.day;
        let mut attempts: BTreeMap<u32, Seen> = self
            .runs
            .latest(day)
            .await?
            .iter()
            .filter(|run| run.training_date == day)
            .filter_map(|run| {
                let state = JobState::of(&run.state)?;
                Some((run.attempt, Seen { state, now: false }))
            })
            .collect();
        let id = |attempt| job_id(day, &self.features.uri(""), attempt);
        loop {
            let (attempt, asked) = match next(&attempts) {
                Next::Stands(attempt, state) => {
                    self.show().await?;
                    return Ok(Outcome::Stands { job: id(attempt), state });
                }
                Next::GivenUp(attempt) => return Ok(Outcome::GivenUp { job: id(attempt) }),
                Next::Ask(attempt) => (attempt, self.standing(&id(attempt)).await?),
                Next::Start(attempt) => {
                    if self.start(order, attempt, &id(attempt)).await? {
                        self.show().await?;
                        return Ok(Outcome::Started { job: id(attempt) });
                    }
                    // Somebody was faster, or an answer was lost on the way.
                    let found = self.trainer.job(&id(attempt)).await?;
                    (attempt, found.ok_or_else(|| Failure::Vanished(id(attempt)))?)
                }
            };
            let known = attempts.insert(attempt, Seen { state: asked.state, now: true });
            if known.map(|seen| seen.state) != Some(asked.state) {
                let manifest = asked.parameters.get("manifest").and_then(Value::as_str);
                let (manifest, state) = (manifest.map(str::to_owned), asked.state.as_str());
                let entry = Entry { attempt, state, detail: asked.error, manifest };
                self.record(order, entry).await?;
            }
        }
    }

    /// Starts an attempt; `false` if it is there already.
    async fn start(&self, order: &Order<'_>, attempt: u32, id: &str) -> Result<bool, Failure> {
        let parameters = json!({
            "training_date": order.message.day,
            "lookback_days": self.terms.lookback_days,
            "manifest": order.manifest,
            "features": self.features.uri("level_features"),
            "models": self.root.uri("models"),
        });
        let parameters: Map<String, Value> = parameters.as_object().cloned().unwrap_or_default();
        self.spec.check(&parameters)?;
        let new = NewJob { id, spec: &self.spec.text, parameters: &parameters };
        let manifest = Some(order.manifest.clone());
        match self.trainer.create(&new).await {
            Ok(Created::New(job)) => {
                let entry = Entry { attempt, state: job.state.as_str(), detail: None, manifest };
                self.record(order, entry).await?;
                Ok(true)
            }
            Ok(Created::Already) => Ok(false),
            Err(TrainerError::Refused(why)) => {
                // For whoever asks the book why there is no job.
                let detail = Some(why.clone());
                self.record(order, Entry { attempt, state: "refused", detail, manifest }).await?;
                Err(TrainerError::Refused(why).into())
            }
            Err(unavailable) => Err(unavailable.into()),
        }
    }

    /// A job that was there once.
    async fn standing(&self, id: &str) -> Result<Job, Failure> {
        let deleted = || Job {
            state: JobState::Cancelled,
            parameters: Map::new(),
            error: Some("somebody has deleted it".to_owned()),
        };
        Ok(self.trainer.job(id).await?.unwrap_or_else(deleted))
    }

    /// Asks how the jobs stand that had not ended, and writes down which have.
    ///
    /// # Errors
    /// If something cannot be reached.
    pub async fn follow(&self) -> Result<Vec<Followed>, Failure> {
        timeout(TRAINING_CALL, self.followed()).await.unwrap_or(Err(Failure::Late))
    }

    async fn followed(&self) -> Result<Vec<Followed>, Failure> {
        let now = self.clock.now_micros();
        let mut followed = Vec::new();
        for run in self.runs.latest(since(now)).await? {
            let Some(job) = run.job_id.clone().filter(|_| run.state == "running") else { continue };
            let Job { state, error, .. } = self.standing(&job).await?;
            if state != JobState::Running {
                let word = state.as_str().to_owned();
                let ended = TrainingRun { state: word, detail: error, recorded_at: now, ..run };
                self.runs.record(&ended).await?;
            }
            followed.push(Followed { job, state });
        }
        self.show_of(&self.runs.latest(since(now)).await?);
        Ok(followed)
    }

    async fn record(&self, order: &Order<'_>, entry: Entry<'_>) -> Result<(), Failure> {
        let Entry { attempt, state, detail, manifest } = entry;
        let day = order.message.day;
        let run = TrainingRun {
            training_date: day,
            attempt,
            job_id: (attempt > 0).then(|| job_id(day, &self.features.uri(""), attempt)),
            state: state.to_owned(),
            detail,
            manifest,
            pipeline_version: self.spec.version.clone(),
            function_version: env!("CARGO_PKG_VERSION").to_owned(),
            lookback_days: self.terms.lookback_days,
            days_present: order.days_present,
            recorded_at: order.now,
        };
        Ok(self.runs.record(&run).await?)
    }

    /// Sets the figure that an alert watches.
    async fn show(&self) -> Result<(), Failure> {
        self.show_of(&self.runs.latest(Day::from_number(0)).await?);
        Ok(())
    }

    fn show_of(&self, runs: &[TrainingRun]) {
        let started = runs.iter().filter(|run| JobState::of(&run.state).is_some());
        if let Some(last) = started.map(|run| run.training_date).max() {
            self.metrics.daily_trained_through.set(last.end() / 1_000_000);
        }
    }
}

/// The first day whose jobs may still be under way.
fn since(now: i64) -> Day {
    Day::of(now).plus(-TRAINING_FOLLOW_DAYS)
}
