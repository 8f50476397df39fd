//! Records that a platform delivers and whose offsets it owns: at least once, without a window.
//!
//! A batch may come again, whole or split, so nothing here is additive: every row names its source
//! position, and what counts rows counts distinct positions.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use questline_environment::Rulebook;
use questline_events::{
    batch::{Batch, Context},
    brake::Brake,
    headers::Envelope,
    limits::{DELIVERY_DEADLINE, FUTURE_TOLERANCE_MICROS},
    row::Postmark,
    window::{Identities, Window},
};
use questline_runtime::{clock::Clock, metrics::Metrics};
use questline_stores::{
    NewRecord, Record, Topic,
    declared::bytes,
    log::Log,
    saved::Ask,
    warehouse::{Rows, Warehouse, WarehouseError},
};

use crate::{
    housekeeping::Housekeeping,
    judge::{count, judge},
    outputs,
    ownership::Settled,
    residue::Looked,
    traces,
};

/// Between two attempts at the warehouse.
const PAUSE: Duration = Duration::from_millis(200);

/// Processing of delivered records.
pub struct Delivered {
    rulebook: Rulebook,
    log: Arc<dyn Log>,
    warehouse: Arc<dyn Warehouse>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    identities: Identities,
    brake: Mutex<Brake>,
    housekeeping: tokio::sync::Mutex<Housekeeping>,
    ask: Arc<dyn Ask>,
    residue: tokio::sync::Mutex<Looked>,
}

impl Delivered {
    /// `ask` is the warehouse's side that tells what is missing; `group` the one in whose name the
    /// platform commits: by it minutes are closed.
    #[must_use]
    pub fn new(
        rulebook: Rulebook,
        log: Arc<dyn Log>,
        warehouse: Arc<dyn Warehouse>,
        ask: Arc<dyn Ask>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        group: &str,
    ) -> Self {
        let housekeeping = Housekeeping::new(
            log.clone(),
            warehouse.clone(),
            metrics.clone(),
            clock.clone(),
            group.to_owned(),
        );
        Self {
            identities: Identities::of_log(log.log_id()),
            brake: Mutex::default(),
            housekeeping: housekeeping.into(),
            residue: tokio::sync::Mutex::default(),
            rulebook,
            log,
            warehouse,
            ask,
            metrics,
            clock,
        }
    }

    /// Judges the records, writes their rows, and produces what becomes of them.
    ///
    /// # Errors
    /// If the log or the warehouse cannot be written in time: then all of them are to come again.
    pub async fn take(&self, records: &[Record], patience: Duration) -> anyhow::Result<()> {
        let taken = tokio::time::timeout(patience, self.attempt(records)).await;
        let result = taken.context("the warehouse or the log did not answer in time").flatten();
        if result.is_err() {
            self.metrics.process_retries.inc();
        }
        result
    }

    /// In as many batches as the warehouse wants, mostly one.
    async fn attempt(&self, records: &[Record]) -> anyhow::Result<()> {
        let (mut most, mut rest) = (records.len(), records);
        loop {
            let (batch, later) = rest.split_at(most.min(rest.len()));
            if self.batch(batch).await? {
                rest = later;
            } else {
                most = batch.len() / 2;
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// One batch; `false` if its rows are more than the warehouse takes at a time.
    async fn batch(&self, records: &[Record]) -> anyhow::Result<bool> {
        let mut refused = HashSet::new();
        let brake = self.brake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        loop {
            let mut brake = brake.clone();
            let mut window = Window::default();
            let now = self.clock.now_micros();
            let version = &self.rulebook.function_version;
            let postmark = Postmark { failed_at: now, function_version: version };
            let log_id = self.log.log_id();
            let context = Context {
                rules: &self.rulebook.rules,
                identities: &self.identities,
                log_id,
                postmark,
                counted: false,
            };
            let mut batch = Batch::new(context, records.len());
            judge(records, &refused, &Settled::default(), &mut batch, &mut window, &mut brake);
            let rows = outputs::rows(&mut batch, log_id, &[], now, Vec::new())?;
            let most = self.warehouse.batch().table_bytes;
            if records.len() > 1 && rows.tables.iter().any(|(_, rows)| bytes(rows) > most) {
                return Ok(false);
            }
            let row_records = std::mem::take(&mut batch.row_records);
            let totals = batch.totals.clone();
            traces::tell(&batch, records);
            let mut produced = outputs::produced(&mut batch, records, log_id, postmark);
            produced.iter_mut().for_each(|(topic, record)| fit(*topic, record, now));
            let accepted = batch.enriched.iter().map(|enriched| (enriched.index, false));
            let dead = batch.letters.iter().map(|letter| (letter.index, true));
            let outcomes: Vec<_> = accepted.chain(dead).collect();
            drop(batch);
            match self.write(&rows).await {
                Err(WarehouseError::Refused(rows)) => {
                    tracing::warn!(rows = rows.len(), "process.refused");
                    refused.extend(rows.iter().filter_map(|row| row_records.get(*row)).copied());
                    continue;
                }
                written => written?,
            }
            self.produce(produced).await?;
            let brake = self.counted(records, &outcomes);
            count(&self.metrics, &totals, &window, &brake);
            return Ok(true);
        }
    }

    /// The brake, once a batch counts. Calls at once have one: none takes the place of what another
    /// has counted meanwhile.
    fn counted(&self, records: &[Record], outcomes: &[(usize, bool)]) -> Brake {
        let mut brake = self.brake.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, dead) in outcomes {
            let record = &records[*index];
            let envelope = Envelope::read(record.headers.block(), record.timestamp_ms);
            if let Some(app) = envelope.app_id.filter(|_| !envelope.reprocessed) {
                brake.count(app, envelope.received_at, *dead);
            }
        }
        brake.clone()
    }

    async fn write(&self, rows: &Rows) -> Result<(), WarehouseError> {
        loop {
            match self.warehouse.write(rows.clone()).await {
                Err(WarehouseError::Unavailable(cause)) => {
                    self.metrics.process_retries.inc();
                    tracing::warn!(error = &*cause, "process.warehouse: trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                written => return written,
            }
        }
    }

    async fn produce(&self, produced: Vec<(Topic, NewRecord)>) -> anyhow::Result<()> {
        let (enriched, letters): (Vec<_>, Vec<_>) =
            produced.into_iter().partition(|(topic, _)| *topic == Topic::Enriched);
        for (topic, records) in [(Topic::Enriched, enriched), (Topic::Dlq, letters)] {
            let records: Vec<_> = records.into_iter().map(|(_, record)| record).collect();
            if !records.is_empty() {
                let stored = self.log.append(topic, records).all_stored();
                let stored = tokio::time::timeout(DELIVERY_DEADLINE, stored).await;
                anyhow::ensure!(stored == Ok(true), "{} did not take all records", topic.name());
            }
        }
        Ok(())
    }

    /// Tells the lag, closes minutes, and tells what is missing if that was not told for a while; what
    /// cannot be done now is done the next time.
    pub async fn housekeep(&self) {
        self.close().await;
        let Ok(mut residue) = self.residue.try_lock() else { return };
        residue.again(&*self.ask, &self.metrics, self.clock.now_micros()).await;
    }

    async fn close(&self) {
        let Ok(mut housekeeping) = self.housekeeping.try_lock() else { return };
        if let Ok(Some((row, rows))) = housekeeping.look().await
            && self.warehouse.write(rows).await.is_ok()
        {
            housekeeping.closed(&row);
        }
    }
}

/// Has the log take a record, whatever its platform says of where the raw one lies, and since when:
/// brokers refuse a time that is an hour ahead, and its batch would come again for good.
fn fit(topic: Topic, record: &mut NewRecord, now: i64) {
    let latest = (now + FUTURE_TOLERANCE_MICROS / 2) / 1_000;
    record.partition = record.partition.filter(|partition| *partition < topic.partitions());
    record.timestamp_ms = record.timestamp_ms.map(|at| at.clamp(0, latest));
}
