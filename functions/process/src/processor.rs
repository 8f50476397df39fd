//! The loop: poll, judge, write, commit.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use questline_environment::Rulebook;
use questline_events::{
    batch::{Batch, Context},
    brake::Brake,
    ledger::{Counts, Hop, Row},
    limits::BATCH_LINGER,
    row::{LookupRows, Postmark},
    window::{Identities, Window},
};
use questline_runtime::{CancellationToken, clock::Clock, metrics::Metrics};
use questline_stores::{
    NewRecord, Record, Topic,
    log::{
        Assigned, Consumer, Gap, LogError, PROCESS_GROUP, PollLimits, Polled, Reader, Transaction,
    },
    warehouse::{BatchLimits, Rows, Warehouse, WarehouseError},
};
use tokio::time::Instant;

use crate::{
    housekeeping::Housekeeping,
    judge::{count, judge},
    outcome::{Done, Ended, Judged, Written},
    outputs,
    ownership::{self, Metadata, Reach, Settled, is_reached, past, reach, rebuild, widen},
    traces,
};

/// The longest wait for a first record.
const WAIT: Duration = Duration::from_millis(500);

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
        let BatchLimits { records, bytes, .. } = self.warehouse.batch();
        let limits = PollLimits { records, bytes, wait: WAIT, linger: BATCH_LINGER };
        loop {
            let polled = stop.run_until_cancelled(consumer.poll(limits)).await;
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
        let (log_id, positions) = (self.log_id.clone(), Vec::new());
        self.write(Rows { log_id, tables, positions, places: None }).await?;
        Ok(())
    }

    async fn step(&mut self, consumer: &mut dyn Consumer, polled: Polled) -> Result<(), Ended> {
        for partition in &polled.revoked {
            self.window.forget(*partition);
        }
        if !polled.assigned.is_empty() {
            self.take_over(&polled.assigned).await?;
        }
        let Polled { records, gaps, passed, .. } = polled;
        let read: HashSet<u32> = records.iter().map(|record| record.partition).collect();
        let (among, alone): (Vec<_>, Vec<_>) =
            gaps.into_iter().partition(|gap| read.contains(&gap.partition));
        let done = self.batches(consumer, &records, among).await?;
        let reach = past(alone.iter().chain(&passed));
        if done == Done::Committed && !reach.is_empty() {
            // Nothing is read of these: what expired is counted with the move.
            self.note_gaps(&alone, &mut HashSet::new());
            self.batch(consumer, &[], reach).await?;
        }
        self.housekeep().await
    }

    async fn take_over(&mut self, assigned: &[Assigned]) -> Result<(), Ended> {
        let started = Instant::now();
        let mut failures = 0;
        while let Err(error) =
            self.settled.take_over(&*self.warehouse, &self.log_id, assigned).await
        {
            self.pause("warehouse", error.into(), &mut failures).await?;
        }
        failures = 0;
        loop {
            match rebuild(&mut self.window, &*self.reader, &self.settled, assigned).await {
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

    /// An owner before us wrote after we had asked, or one after us has: what the tables hold
    /// stands, and whether the partitions are ours the log will tell.
    async fn look_again(&mut self, reach: &BTreeMap<u32, Reach>) -> Result<(), Ended> {
        tracing::warn!("process.fenced");
        let mut failures = 0;
        while let Err(error) = self.settled.look_again(&*self.warehouse, &self.log_id, reach).await
        {
            self.pause("warehouse", error.into(), &mut failures).await?;
        }
        if self.settled.have(reach) {
            self.ledger_rows.clear();
        }
        Ok(())
    }

    /// Records that expired unread are counted, never passed over in silence, and once: what the tables
    /// had before the log was told of it, they have. What is noted again, as for a batch that was too
    /// large, is not told again.
    fn note_gaps(&mut self, gaps: &[Gap], told: &mut HashSet<(u32, i64)>) {
        for gap in gaps {
            let from = gap.offsets.start.max(self.settled.counted(gap.partition));
            let (to, expired) = (gap.offsets.end, gap.offsets.end - from);
            if expired <= 0 {
                continue;
            }
            if told.insert((gap.partition, from)) {
                tracing::error!(partition = gap.partition, from, to, "process.expired");
                self.metrics.process_expired.inc_by(expired.unsigned_abs());
            }
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

    /// Records in as many batches as the warehouse wants, mostly one; what has expired on a partition is
    /// counted with the one that moves beyond it.
    async fn batches(
        &mut self,
        consumer: &mut dyn Consumer,
        mut records: &[Record],
        mut gaps: Vec<Gap>,
    ) -> Result<Done, Ended> {
        let (mut most, mut told) = (records.len(), HashSet::new());
        while !records.is_empty() {
            let (batch, rest) = records.split_at(most.min(records.len()));
            let mut reach = reach(batch);
            let (here, later): (Vec<_>, Vec<_>) =
                gaps.iter().cloned().partition(|gap| is_reached(gap, &reach, rest));
            widen(&mut reach, &here);
            let noted = self.ledger_rows.len();
            self.note_gaps(&here, &mut told);
            match self.batch(consumer, batch, reach).await? {
                Done::Committed => (records, gaps) = (rest, later),
                Done::Lost => return Ok(Done::Lost),
                Done::TooLarge if batch.len() > 1 => {
                    most = batch.len() / 2;
                    self.ledger_rows.truncate(noted);
                }
                Done::TooLarge => {
                    let Record { partition, offset, .. } = batch[0];
                    let error = anyhow::anyhow!("{partition}/{offset} alone is too large a batch");
                    return Err(Ended::Fatal(error));
                }
            }
        }
        Ok(Done::Committed)
    }

    /// One batch, through both transactions.
    async fn batch(
        &mut self,
        consumer: &mut dyn Consumer,
        records: &[Record],
        reach: BTreeMap<u32, Reach>,
    ) -> Result<Done, Ended> {
        let brake = self.brake.clone();
        let mut refused = HashSet::new();
        loop {
            let Judged { mut rows, row_records, produced, totals } =
                self.judge(records, &reach, &refused)?;
            let declared = self.declare(consumer, &mut rows, &reach).await?;
            if declared != Done::Committed {
                self.undo(brake);
                if declared == Done::Lost {
                    // What has expired is told again with the partitions.
                    self.ledger_rows.clear();
                }
                return Ok(declared);
            }
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
                    self.undo(brake.clone());
                    self.look_again(&reach).await?;
                    continue;
                }
                Err(Written::Ended(ended)) => return Err(ended),
            }
            self.observe("write", started);
            self.settled.written(&positions);
            self.ledger_rows.clear();
            let started = Instant::now();
            let offsets = self.settled.commitment(&reach, &self.rulebook.function_version);
            if self.commit(consumer, produced, offsets).await {
                self.window.commit();
                self.observe("commit", started);
                count(&self.metrics, &totals, &self.window, &self.brake);
                return Ok(Done::Committed);
            }
            // The tables have the batch. Whoever gets these partitions next, we included, finds it
            // there and produces what is missing.
            self.undo(brake);
            return Ok(Done::Lost);
        }
    }

    /// Gives every record of a batch its outcome, and what becomes of it.
    fn judge(
        &mut self,
        records: &[Record],
        reach: &BTreeMap<u32, Reach>,
        refused: &HashSet<usize>,
    ) -> anyhow::Result<Judged> {
        let (started, now) = (Instant::now(), self.clock.now_micros());
        let version = &self.rulebook.function_version;
        let postmark = Postmark { failed_at: now, function_version: version };
        let context = Context {
            rules: &self.rulebook.rules,
            identities: &self.identities,
            log_id: &self.log_id,
            postmark,
            counted: true,
        };
        let mut batch = Batch::new(context, records.len());
        judge(records, refused, &self.settled, &mut batch, &mut self.window, &mut self.brake);
        let positions = self.settled.positions(reach);
        let rows = outputs::rows(&mut batch, &self.log_id, &self.ledger_rows, now, positions);
        traces::tell(&batch, records);
        let judged = Judged {
            rows: rows.context("rows of a batch")?,
            row_records: std::mem::take(&mut batch.row_records),
            produced: outputs::produced(&mut batch, records, &self.log_id, postmark),
            totals: batch.totals.clone(),
        };
        drop(batch);
        self.observe("judge", started);
        Ok(judged)
    }

    /// Has the log keep where the rows of a batch will go, where the warehouse asks for it. If the
    /// log refuses that, the partitions may have another owner, and nothing is written.
    async fn declare(
        &mut self,
        consumer: &mut dyn Consumer,
        rows: &mut Rows,
        reach: &BTreeMap<u32, Reach>,
    ) -> Result<Done, Ended> {
        let (started, mut failures) = (Instant::now(), 0);
        let places = loop {
            match self.warehouse.declare(rows).await {
                Ok(Some(places)) => break places,
                Ok(None) => return Ok(Done::Committed),
                Err(WarehouseError::TooLarge) => return Ok(Done::TooLarge),
                Err(error) => self.pause("warehouse", error.into(), &mut failures).await?,
            }
        };
        let version = &self.rulebook.function_version;
        let offsets = self.settled.declaration(reach, version, &places);
        rows.places = Some(places);
        let declared = self.commit(consumer, Vec::new(), offsets).await;
        self.observe("declare", started);
        Ok(if declared { Done::Committed } else { Done::Lost })
    }

    /// Commits in the log; `false` if that failed: then it assigns the partitions again.
    async fn commit(
        &mut self,
        consumer: &mut dyn Consumer,
        records: Vec<(Topic, NewRecord)>,
        offsets: Vec<(u32, i64, Metadata)>,
    ) -> bool {
        let transaction = Transaction { records, offsets: ownership::offsets(&offsets) };
        match consumer.commit(transaction).await {
            Ok(()) => self.settled.committed(offsets),
            Err(error) => {
                self.metrics.process_retries.inc();
                tracing::warn!(error = &error as &dyn std::error::Error, "process.commit");
                return false;
            }
        }
        true
    }

    fn undo(&mut self, brake: Brake) {
        self.window.rollback();
        self.brake = brake;
    }

    /// Writes until it is written. Of an attempt that seemed to fail and did not, the next one is
    /// told: a declared batch is there, another's writer is not where it believes to be.
    async fn write(&self, rows: Rows) -> Result<(), Written> {
        let mut failures = 0;
        loop {
            match self.warehouse.write(rows.clone()).await {
                Ok(()) => return Ok(()),
                Err(WarehouseError::Refused(rows)) => return Err(Written::Refused(rows)),
                Err(WarehouseError::Fenced) => return Err(Written::Fenced),
                Err(error) => self.pause("warehouse", error.into(), &mut failures).await?,
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
