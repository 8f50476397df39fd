//! Running days: what is ready is done, recorded, and the next call goes on.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use questline_events::{
    Day,
    limits::{DAILY_CALL, DAILY_OLDEST_DAYS},
};
use questline_runtime::metrics::Metrics;
use questline_stores::{
    daily::{Attempt, State},
    warehouse::WarehouseError,
};
use tokio::{sync::Mutex, task::JoinSet};

use crate::{
    due::{Due, Reach, due},
    graph::{Next, Step, Verdict, killed, mend, next},
    report::{Report, Standing},
    steps::{self, Outcome, Ports, Work},
};

/// Why a call did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The day cannot be run.
    #[error("{0}")]
    Unusable(String),
    /// One run at a time.
    #[error("another run is at work: {0}")]
    Busy(String),
    /// The warehouse cannot serve.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
}

/// Closes days.
pub struct DailyRun {
    ports: Ports,
    metrics: Arc<Metrics>,
    turn: Mutex<()>,
}

/// A run of a day, as far as it got.
struct Run {
    day: Day,
    id: String,
    attempts: Vec<Attempt>,
}

impl DailyRun {
    /// With what its steps work with.
    #[must_use]
    pub fn new(ports: Ports, metrics: Arc<Metrics>) -> Self {
        Self { ports, metrics, turn: Mutex::default() }
    }

    /// Does of a day what is ready. A run that has ended stands, unless it is to be made `anew`.
    /// After `patience` no step begins any more.
    ///
    /// # Errors
    /// If nothing was done. What fails in a step is told by the report.
    pub async fn call(&self, day: Day, anew: bool, patience: Duration) -> Result<Report, Failure> {
        self.usable(day)?;
        // Also of other days: between `purchases` and `purchases_counted` runs must not overlap.
        let turn = self.turn.try_lock();
        let _turn = turn.map_err(|_| Failure::Busy("wait until it has ended".to_owned()))?;
        let until = Instant::now() + patience.min(DAILY_CALL);
        let run = self.open(day, anew).await?;
        let report = self.go(run, until).await?;
        if report.standing == Standing::Done {
            self.closed(day);
        }
        let (run, standing, why) = (&report.run, report.standing, &report.why);
        tracing::info!(%day, run, ?standing, why, "daily");
        Ok(report)
    }

    /// Does what is due: days that never ran, did not end, failed some time ago, or are stale.
    ///
    /// # Errors
    /// If the warehouse cannot be asked. A day that fails does not hold up the others.
    pub async fn call_due(&self, reach: Reach, patience: Duration) -> Result<Vec<Report>, Failure> {
        let began = Instant::now();
        let now = self.ports.clock.now_micros();
        let (from, through) = reach.days(now);
        let warehouse = &self.ports.warehouse;
        warehouse.touch(from, through, now).await?;
        let known = warehouse.days(from, through).await?;
        let attempts = warehouse.attempts(from, through).await?;
        self.show(&attempts, now);
        let mut reports = Vec::new();
        // No day is left behind: also not one that is tried again later.
        let mut fresh = true;
        for (day, due) in due(&known, &attempts, now, reach) {
            let left = patience.saturating_sub(began.elapsed());
            if due == Due::Later || left.is_zero() {
                fresh = false;
                continue;
            }
            let report = match self.call(day, due == Due::Anew, left).await {
                // Another process is at it, or it has expired meanwhile.
                Err(why @ (Failure::Busy(_) | Failure::Unusable(_))) => Report::refused(day, &why),
                called => called?,
            };
            fresh &= report.standing != Standing::Failed && report.standing != Standing::Unfinished;
            reports.push(report);
        }
        if fresh {
            self.metrics.daily_fresh_through.set(now / 1_000_000);
        }
        Ok(reports)
    }

    /// Tells the last day whose run succeeded, as it is written down: this process may be a new one.
    fn show(&self, attempts: &[Attempt], now: i64) {
        let days: BTreeSet<_> = attempts.iter().map(|attempt| attempt.day).collect();
        let succeeded = |day: &Day| {
            let of_day = attempts.iter().filter(|attempt| attempt.day == *day);
            let of_day: Vec<_> = of_day.cloned().collect();
            next(&of_day, now) == Next::Ended(Verdict::Done)
        };
        if let Some(day) = days.into_iter().rev().find(succeeded) {
            self.closed(day);
        }
    }

    fn closed(&self, day: Day) {
        let gauge = &self.metrics.daily_closed_through;
        gauge.set(gauge.get().max(day.end() / 1_000_000));
    }

    /// Notes which closed days have changed, while no run is at work: whoever reads after this reads of
    /// such a day what is true now, and not what was true when it was closed.
    ///
    /// # Errors
    /// If the warehouse cannot be asked.
    pub async fn note(&self) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        let now = self.ports.clock.now_micros();
        let (from, through) = Reach::All { pause: 0 }.days(now);
        Ok(self.ports.warehouse.touch(from, through, now).await?)
    }

    fn usable(&self, day: Day) -> Result<(), Failure> {
        let now = self.ports.clock.now_micros();
        if day.end() > now {
            return Err(Failure::Unusable(format!(
                "{day} is not over: the last day that can be closed is {}",
                Day::of(now).plus(-1)
            )));
        }
        let oldest = Day::of(now).plus(-DAILY_OLDEST_DAYS);
        if day < oldest {
            return Err(Failure::Unusable(format!(
                "the events of {day} have expired: its numbers stand; the oldest day that can be \
                 rebuilt is {oldest}"
            )));
        }
        Ok(())
    }

    /// The run of the day that is to go on, or a new one.
    async fn open(&self, day: Day, anew: bool) -> Result<Run, Failure> {
        let warehouse = &self.ports.warehouse;
        let now = self.ports.clock.now_micros();
        let mut attempts = warehouse.attempts(day, day).await?;
        for dead in killed(&attempts, now, warehouse.alone()) {
            warehouse.record(&dead).await?;
            put(&mut attempts, dead);
        }
        let latest = attempts.last().map(|attempt| attempt.run.clone());
        if let Some(id) = latest.clone()
            && attempts.iter().any(|attempt| attempt.state == State::Running)
        {
            return Err(Failure::Busy(id));
        }
        match (latest, next(&attempts, now)) {
            (None, _) => Ok(Run { day, id: format!("{day}.1"), attempts }),
            (Some(id), Next::Ended(_)) if anew => {
                let number = id.rsplit('.').next().and_then(|number| number.parse::<u64>().ok());
                let number = number.unwrap_or_default() + 1;
                Ok(Run { day, id: format!("{day}.{number}"), attempts: Vec::new() })
            }
            (Some(id), _) => Ok(Run { day, id, attempts }),
        }
    }

    /// Runs what can be run, beside each other where the graph lets it, until nothing is left to be
    /// done now.
    async fn go(&self, mut run: Run, until: Instant) -> Result<Report, Failure> {
        let mut working = JoinSet::new();
        let mut waits = None;
        loop {
            let todo = next(&run.attempts, self.ports.clock.now_micros());
            if let Next::Run(steps) = &todo
                && waits.is_none()
                && Instant::now() < until
            {
                for (step, number) in steps {
                    let begun = self.begin(&mut run, *step, *number).await?;
                    let work = Work {
                        step: *step,
                        day: run.day,
                        run: run.id.clone(),
                        waits_since: begun.started_at,
                    };
                    let ports = self.ports.clone();
                    working.spawn(async move { (begun, steps::run(ports, work).await) });
                }
                continue;
            }
            let Some(ended) = working.join_next().await else {
                let report = Report::of(run.day, &run.id, &run.attempts);
                return Ok(match todo {
                    Next::Ended(verdict) => report.ended(verdict),
                    Next::At(at) => report.later(Some(at), None),
                    Next::Run(_) | Next::Busy => report.later(None, waits),
                });
            };
            // A step that panicked stays `running`: the next call takes it for killed.
            let Ok((begun, outcome)) = ended else {
                let why = "a step panicked: the log tells where".to_owned();
                return Ok(Report::of(run.day, &run.id, &run.attempts).later(None, Some(why)));
            };
            if let Outcome::Waiting(why) = &outcome {
                waits = Some(why.clone());
            }
            let attempt = self.ended(begun, outcome);
            self.ports.warehouse.record(&attempt).await?;
            put(&mut run.attempts, attempt);
        }
    }

    /// Writes down that a step begins, before it does anything.
    async fn begin(&self, run: &mut Run, step: Step, number: u32) -> Result<Attempt, Failure> {
        let known = |attempt: &&Attempt| attempt.step == step.name() && attempt.attempt == number;
        // A wait that goes on is the attempt that it was.
        if let Some(attempt) = run.attempts.iter_mut().find(|attempt| known(&&**attempt)) {
            attempt.state = State::Running;
            return Ok(attempt.clone());
        }
        let state = if step == Step::Wait { State::Waiting } else { State::Running };
        let attempt = Attempt {
            day: run.day,
            run: run.id.clone(),
            step: step.name().to_owned(),
            attempt: number,
            state,
            started_at: self.ports.clock.now_micros(),
            finished_at: None,
            error: None,
            snapshot: None,
        };
        if !self.ports.warehouse.begin(&attempt).await? {
            return Err(Failure::Busy(run.id.clone()));
        }
        run.attempts.push(Attempt { state: State::Running, ..attempt.clone() });
        Ok(attempt)
    }

    fn ended(&self, begun: Attempt, outcome: Outcome) -> Attempt {
        let now = Some(self.ports.clock.now_micros());
        let (state, finished_at, error, snapshot) = match outcome {
            Outcome::Done(snapshot) => (State::Done, now, None, snapshot),
            Outcome::Stands(why) => (State::Done, now, Some(why), None),
            Outcome::Waiting(why) => (State::Waiting, None, Some(why), None),
            Outcome::Skipped(why) => (State::Skipped, now, Some(why), None),
            Outcome::Failed(error) => {
                let (day, step, attempt) = (begun.day, &begun.step, begun.attempt);
                tracing::error!(%day, run = begun.run, step, attempt, error, "daily.step");
                let mend = mend(&begun, "in 5 minutes");
                (State::Failed, now, Some(format!("{error}; {mend}")), None)
            }
        };
        Attempt { state, finished_at, error, snapshot, ..begun }
    }
}

/// Puts an attempt in the place of what was known of it.
fn put(attempts: &mut [Attempt], attempt: Attempt) {
    let known = |known: &&mut Attempt| {
        known.step == attempt.step && known.attempt == attempt.attempt && known.run == attempt.run
    };
    if let Some(known) = attempts.iter_mut().find(known) {
        *known = attempt;
    }
}
