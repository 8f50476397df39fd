//! What stands between a run and its warehouse: faults, and the moment to be killed.

use std::{
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use questline_events::Day;
use questline_stores::{
    daily::{
        Attempt, Broken, Check, CheckResult, Daily, KnownDay, Readiness, Residue, Runs, Snapshot,
        State, Table,
    },
    warehouse::WarehouseError,
};

type Result<T> = std::result::Result<T, WarehouseError>;

/// Called before and after what a step does, and when it is written down.
pub(crate) type Hook = Arc<dyn Fn(&str, &str) -> Result<()> + Send + Sync>;

pub(crate) struct Faulty<W> {
    pub(crate) inner: W,
    pub(crate) hook: Hook,
}

/// Says so and holds still where a step comes to a moment, `STEP MOMENT`, for longer than it lives.
pub(crate) fn holding(hold: String) -> Hook {
    Arc::new(move |step: &str, moment: &str| {
        if hold == format!("{step} {moment}") {
            println!("holding");
            std::io::stdout().flush().unwrap();
            std::thread::sleep(Duration::from_secs(60));
        }
        Ok(())
    })
}

/// The tables that fail, each so many times.
pub(crate) fn failing(times: &[(Table, u32)]) -> Hook {
    let left = Mutex::new(times.to_vec());
    Arc::new(move |step, moment| {
        let mut left = left.lock().unwrap();
        let known = left.iter_mut().find(|(table, times)| table.name() == step && *times > 0);
        match known {
            Some((_, times)) if moment == "before" => {
                *times -= 1;
                Err(WarehouseError::Unavailable("the disk is full".into()))
            }
            _ => Ok(()),
        }
    })
}

#[async_trait]
impl<W: Daily> Daily for Faulty<W> {
    async fn readiness(&self, day: Day) -> Result<Readiness> {
        (self.hook)("wait", "before")?;
        let done = self.inner.readiness(day).await;
        (self.hook)("wait", "after")?;
        done
    }

    async fn replace(&self, table: Table, day: Day, types: &str) -> Result<Option<Snapshot>> {
        (self.hook)(table.name(), "before")?;
        let done = self.inner.replace(table, day, types).await;
        (self.hook)(table.name(), "after")?;
        done
    }

    async fn check(&self, check: &Check, day: Day, most: usize) -> Result<Broken> {
        self.inner.check(check, day, most).await
    }

    async fn keep(&self, day: Day, run: &str, results: &[CheckResult]) -> Result<()> {
        (self.hook)("quality_results", "before")?;
        let done = self.inner.keep(day, run, results).await;
        (self.hook)("quality_results", "after")?;
        done
    }

    async fn kept(&self, day: Day, run: &str) -> Result<Vec<CheckResult>> {
        self.inner.kept(day, run).await
    }

    async fn residue(&self, day: Day) -> Result<Residue> {
        self.inner.residue(day).await
    }

    async fn features(&self, day: Day) -> Result<Vec<RecordBatch>> {
        (self.hook)("level_features", "before")?;
        self.inner.features(day).await
    }
}

#[async_trait]
impl<W: Runs> Runs for Faulty<W> {
    /// Where the hook does not let it be, others can reach the warehouse too.
    fn alone(&self) -> bool {
        (self.hook)("alone", "").is_ok() && self.inner.alone()
    }

    async fn attempts(&self, from: Day, through: Day) -> Result<Vec<Attempt>> {
        self.inner.attempts(from, through).await
    }

    async fn begin(&self, attempt: &Attempt) -> Result<bool> {
        let done = self.inner.begin(attempt).await;
        (self.hook)(&attempt.step, "begun")?;
        done
    }

    async fn record(&self, attempt: &Attempt) -> Result<()> {
        if attempt.state == State::Done {
            (self.hook)(&attempt.step, "record")?;
        }
        self.inner.record(attempt).await
    }

    async fn touch(&self, from: Day, through: Day, now: i64) -> Result<()> {
        self.inner.touch(from, through, now).await
    }

    async fn days(&self, from: Day, through: Day) -> Result<Vec<KnownDay>> {
        self.inner.days(from, through).await
    }
}
