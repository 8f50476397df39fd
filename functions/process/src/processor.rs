//! The loop: poll, judge, write, commit.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::Context as _;
use questline_environment::Rulebook;
use questline_events::{
    batch::{Batch, Context},
    brake::Brake,
    ledger::{Counts, Hop, Row},
    limits::{BATCH_BYTES, BATCH_LINGER, BATCH_RECORDS},
    row::{LookupRows, Postmark},
    window::{Identities, Window},
};
use questline_runtime::{CancellationToken, clock::Clock, metrics::Metrics};
use questline_stores::{
    Record,
    log::{Assigned, Consumer, Gap, LogError, PROCESS_GROUP, PollLimits, Polled, Reader},
    warehouse::{Rows, Warehouse, WarehouseError},
};
use tokio::time::Instant;

use crate::{
    housekeeping::Housekeeping,
    judge::{count, judge},
    outputs::{self, reach},
    ownership::{Settled, begins, rebuild},
    traces,
};

const LIMITS: PollLimits = PollLimits {
    records: BATCH_RECORDS,
    bytes: BATCH_BYTES,
    wait: Duration::from_millis(500),
    linger: BATCH_LINGER,
};

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One instance of processing.
pub struct Processor {
    rulebook: Rulebook,
    reader: Arc<dyn Reader>,
    warehouse: Arc<dyn Warehouse>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    identities: Identities,
    log_id: String,
    window: Window,
    brake: Brake,
    settled: Settled,
    housekeeping: Housekeeping,
    /// Ledger rows that go with the next write.
    ledger_rows: Vec<Row>,
}

/// Why an attempt is not made again.
enum Ended {
    /// The process is asked to stop.
    Stopped,
    /// No attempt will ever succeed.
    Fatal(anyhow::Error),
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::Fatal(error)
    }
}

impl Processor {
    /// An instance that works until `stop`.
    #[must_use]
    pub fn new(
        rulebook: Rulebook,
        reader: Arc<dyn Reader>,
        warehouse: Arc<dyn Warehouse>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Self {
        let log_id = reader.log_id().to_owned();
        let housekeeping = Housekeeping::new(
            reader.clone(),
            warehouse.clone(),
            metrics.clone(),
            clock.clone(),
            PROCESS_GROUP.to_owned(),
        );
        Self {
            rulebook,
            reader,
            warehouse,
            metrics,
            clock,
            stop,
            identities: Identities::of_log(&log_id),
            log_id,
            window: Window::default(),
            brake: Brake::default(),
            settled: Settled::default(),
            housekeeping,
            ledger_rows: Vec::new(),
        }
    }

    /// Works as a member of [`PROCESS_GROUP`] until it is asked to stop; the batch in hand is finished.
    ///
    /// # Errors
    /// If the log or the warehouse is damaged, or belongs to somebody else.
    pub async fn run(mut self, mut consumer: Box<dyn Consumer>) -> anyhow::Result<()> {
        self.metrics.process_working.set(1);
        let ended = self.work(&mut *consumer).await;
        self.metrics.process_working.set(0);
        match ended {
            Ended::Stopped => Ok(()),
            Ended::Fatal(error) => Err(error),
        }
    }

    async fn work(&mut self, consumer: &mut dyn Consumer) -> Ended {
        if let Err(ended) = self.begin().await {
            return ended;
        }
        let stop = self.stop.clone();
        let mut failures = 0;
        loop {
            let polled = stop.run_until_cancelled(consumer.poll(LIMITS)).await;
            let result = match polled {
                None => return Ended::Stopped,
                Some(Ok(polled)) => {
                    failures = 0;
                    self.step(consumer, polled).await
                }
                Some(Err(error)) => self.pause("log", error.into(), &mut failures).await,
            };
            if let Err(ended) = result {
                return ended;
            }
        }
    }

    /// What is written once: by what this process judges; and where the ledger ended.
    async fn begin(&mut self) -> Result<(), Ended> {
        let (now, version) = (self.clock.now_micros(), &self.rulebook.function_version);
        let mut lookups = LookupRows::default();
        for (name, lookup) in &self.rulebook.lookups {
            tracing::info!(lookup = name, version = lookup, "process.lookup");
            lookups.push(now, version, name, lookup);
        }
        let lookups = lookups.finish().context("rows of lookups")?;
        let tables = vec![(LookupRows::TABLE, lookups)];
        self.write(Rows { log_id: self.log_id.clone(), tables, positions: Vec::new() }).await?;
        Ok(())
    }

    async fn step(&mut self, consumer: &mut dyn Consumer, polled: Polled) -> Result<(), Ended> {
        for partition in &polled.revoked {
            self.window.forget(*partition);
        }
        if !polled.assigned.is_empty() {
            self.take_over(&polled.assigned).await?;
        }
        self.note_gaps(&polled.gaps);
        if !polled.records.is_empty() {
            self.batch(consumer, &polled.records).await?;
        }
        self.housekeep().await
    }

    async fn take_over(&mut self, assigned: &[Assigned]) -> Result<(), Ended> {
        let started = Instant::now();
        self.learn(assigned).await?;
        let mut failures = 0;
        loop {
            match rebuild(&mut self.window, &*self.reader, assigned).await {
                Ok(identities) => {
                    let (partitions, took) = (assigned.len(), started.elapsed());
                    tracing::info!(
                        partitions,
                        identities,
                        duration_ms = took.as_millis(),
                        "process.assigned"
                    );
                    return Ok(());
                }
                Err(error) => self.pause("log", error.into(), &mut failures).await?,
            }
        }
    }

    /// Asks the tables how far they are.
    async fn learn(&mut self, from: &[Assigned]) -> Result<(), Ended> {
        let mut failures = 0;
        loop {
            match self.settled.learn(&*self.warehouse, &self.log_id, from).await {
                Ok(()) => return Ok(()),
                Err(error) => self.pause("warehouse", error.into(), &mut failures).await?,
            }
        }
    }

    /// Records that expired unread are counted, never passed over in silence.
    fn note_gaps(&mut self, gaps: &[Gap]) {
        for gap in gaps {
            let expired = gap.offsets.end - gap.offsets.start;
            let (from, to) = (gap.offsets.start, gap.offsets.end);
            tracing::error!(partition = gap.partition, from, to, "process.expired");
            self.metrics.process_expired.inc_by(expired.unsigned_abs());
            self.ledger_rows.push(Row {
                hop: Hop::Log,
                source: None,
                app_id: None,
                minute: questline_events::time::minute(self.clock.now_micros()),
                seq: None,
                complete: false,
                closing: false,
                counts: Counts { expired, ..Counts::default() },
            });
        }
    }

    /// One batch, through both transactions.
    async fn batch(
        &mut self,
        consumer: &mut dyn Consumer,
        records: &[Record],
    ) -> Result<(), Ended> {
        let brake = self.brake.clone();
        let version = self.rulebook.function_version.clone();
        let mut refused = HashSet::new();
        loop {
            let started = Instant::now();
            let now = self.clock.now_micros();
            let postmark = Postmark { failed_at: now, function_version: &version };
            let context = Context {
                rules: &self.rulebook.rules,
                identities: &self.identities,
                log_id: &self.log_id,
                postmark,
                counted: true,
            };
            let mut batch = Batch::new(context, records.len());
            judge(records, &refused, &self.settled, &mut batch, &mut self.window, &mut self.brake);
            self.observe("judge", started);
            let reach = reach(records);
            let reached = reach.iter().map(|(partition, reach)| (*partition, reach.next_offset));
            let positions = self.settled.positions(reached);
            let rows = outputs::rows(&mut batch, &self.log_id, &self.ledger_rows, now, positions);
            let rows = rows.context("rows of a batch")?;
            let totals = batch.totals.clone();
            let row_records = std::mem::take(&mut batch.row_records);
            traces::tell(&batch, records);
            let transaction = outputs::transaction(&mut batch, records, &self.log_id, postmark);
            drop(batch);
            let positions = rows.positions.clone();
            let started = Instant::now();
            match self.write(rows).await {
                Ok(()) => {}
                Err(Written::Refused(rows)) => {
                    // The fault of these events alone: judged again, they are dead letters.
                    tracing::warn!(rows = rows.len(), "process.refused");
                    refused.extend(rows.iter().filter_map(|row| row_records.get(*row)).copied());
                    self.undo(brake.clone());
                    continue;
                }
                Err(Written::Fenced) => {
                    // An owner before us wrote after we had asked, or one after us has: what the
                    // tables hold stands, and whether the partitions are ours the log will tell.
                    tracing::warn!("process.fenced");
                    self.undo(brake.clone());
                    self.learn(&begins(records)).await?;
                    continue;
                }
                Err(Written::Ended(ended)) => return Err(ended),
            }
            self.observe("write", started);
            self.settled.written(&positions);
            self.ledger_rows.clear();
            let started = Instant::now();
            match consumer.commit(transaction).await {
                Ok(()) => {
                    self.window.commit();
                    self.settled.committed(&reach);
                    self.observe("commit", started);
                    count(&self.metrics, &totals, &self.window, &self.brake);
                }
                // The tables have the batch. Whoever gets these partitions next, we included,
                // finds it there and produces what is missing.
                Err(error) => {
                    self.undo(brake);
                    self.metrics.process_retries.inc();
                    tracing::warn!(error = &error as &dyn std::error::Error, "process.commit");
                }
            }
            return Ok(());
        }
    }

    fn undo(&mut self, brake: Brake) {
        self.window.rollback();
        self.brake = brake;
    }

    /// Writes until it is written: what was written by an attempt that seemed to fail is not
    /// written again.
    async fn write(&self, rows: Rows) -> Result<(), Written> {
        let mut failures = 0;
        loop {
            match self.warehouse.write(rows.clone()).await {
                Ok(()) => return Ok(()),
                Err(WarehouseError::Refused(rows)) => return Err(Written::Refused(rows)),
                Err(WarehouseError::Fenced) => return Err(Written::Fenced),
                Err(error) => self.pause("warehouse", error.into(), &mut failures).await?,
            }
            if !rows.positions.is_empty()
                && let Ok(found) = self.warehouse.positions(&self.log_id).await
                && rows.positions.iter().all(|moved| found.contains(&(moved.partition, moved.to)))
            {
                return Ok(());
            }
        }
    }

    /// Waits before another attempt, unless there will be none.
    async fn pause(
        &self,
        what: &str,
        error: anyhow::Error,
        failures: &mut u32,
    ) -> Result<(), Ended> {
        let passing = matches!(error.downcast_ref(), Some(LogError::Unavailable(_)))
            || matches!(error.downcast_ref(), Some(WarehouseError::Unavailable(_)));
        if !passing {
            return Err(Ended::Fatal(error));
        }
        self.metrics.process_retries.inc();
        if *failures == 0 {
            tracing::error!(error = format!("{error:#}"), "process.{what}: trying again");
        }
        *failures += 1;
        let pause = Duration::from_millis(50).saturating_mul(1 << (*failures).min(7));
        let pause = tokio::time::sleep(pause.min(LONGEST_PAUSE));
        self.stop.run_until_cancelled(pause).await.ok_or(Ended::Stopped)
    }

    async fn housekeep(&mut self) -> Result<(), Ended> {
        if let Some((row, rows)) = self.housekeeping.look().await? {
            self.write(rows).await?;
            self.housekeeping.closed(&row);
        }
        Ok(())
    }

    fn observe(&self, phase: &str, since: Instant) {
        let took = since.elapsed().as_secs_f64();
        self.metrics.process_duration.get_or_create(&phase.into()).observe(took);
    }
}

/// How a write ended without having been made.
enum Written {
    Refused(Vec<usize>),
    Fenced,
    Ended(Ended),
}

impl From<Ended> for Written {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Written> for Ended {
    fn from(written: Written) -> Self {
        match written {
            Written::Ended(ended) => ended,
            Written::Refused(_) | Written::Fenced => {
                Self::Fatal(anyhow::anyhow!("the warehouse refuses our own rows"))
            }
        }
    }
}
