//! Processing in this process, on a real log and a real warehouse that fail when they are told to.
#![allow(dead_code, reason = "every test uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use arrow_array::{
    Array as _, Int64Array, RecordBatch, StringArray, cast::AsArray as _, types::Int64Type,
};
use arrow_schema::{DataType, Field, Schema};
use async_trait::async_trait;
use questline_environment::Rulebook;
use questline_events::{
    headers::{APP_ID, INGEST, RECEIVED_AT},
    row::{EventRows, LedgerRows},
};
use questline_log_sqlite::SqliteLog;
use questline_process::{GROUP, Processor};
use questline_runtime::{
    CancellationToken,
    clock::{Clock, SystemClock, now_micros},
    config::Env,
    metrics::Metrics,
};
use questline_stores::{
    Headers, NewRecord, Record, Topic,
    log::{Consumer, Log, LogError, PollLimits, Polled, Transaction},
    warehouse::{
        Claim, Found, LedgerState, Query as _, QueryLimits, Rows, Warehouse, WarehouseError,
    },
};
use questline_warehouse_duckdb::DuckdbWarehouse;

/// How often the next calls fail, before they do anything or after they have done it.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) before: AtomicU32,
    pub(crate) after: AtomicU32,
    /// The partitions' owner before us does it too, late: it does not know yet that they are ours.
    pub(crate) late: AtomicU32,
    /// A row of events is lost on the way into the tables.
    pub(crate) lost: AtomicU32,
    /// An accepted event is not counted.
    pub(crate) uncounted: AtomicU32,
    /// What is read comes in two parts, as from brokers that are slow, once the log refuses
    /// nothing any more.
    pub(crate) halves: AtomicU32,
}

impl Faults {
    fn due(&self, when: &AtomicU32) -> bool {
        when.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    /// All that were planted have happened.
    pub(crate) fn spent(&self) -> bool {
        let planted = [&self.before, &self.after, &self.late, &self.halves];
        planted.iter().all(|left| left.load(Ordering::SeqCst) == 0)
    }
}

struct FailingConsumer {
    real: Box<dyn Consumer>,
    log: Arc<dyn Log>,
    faults: Arc<Faults>,
    /// The member has left and come back since the last poll.
    rejoined: bool,
    second_half: Vec<Record>,
}

#[async_trait]
impl Consumer for FailingConsumer {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, LogError> {
        let records = std::mem::take(&mut self.second_half);
        if !records.is_empty() {
            return Ok(Polled { records, ..Polled::default() });
        }
        let limits = PollLimits { linger: Duration::from_millis(10), ..limits };
        let mut polled = self.real.poll(limits).await?;
        let whole = self.faults.before.load(Ordering::SeqCst) > 0;
        if !whole && polled.records.len() > 1 && self.faults.due(&self.faults.halves) {
            self.second_half = polled.records.split_off(polled.records.len() / 2);
        }
        if std::mem::take(&mut self.rejoined) {
            polled.revoked = (0..Topic::Raw.partitions()).collect();
        }
        Ok(polled)
    }

    async fn commit(&mut self, mut transaction: Transaction) -> Result<(), LogError> {
        if self.faults.due(&self.faults.before) {
            self.second_half.clear();
            // Not ours: the log itself refuses the transaction, whole.
            transaction.offsets.iter_mut().for_each(|offset| offset.partition += 1_000);
            return self.real.commit(transaction).await;
        }
        self.real.commit(transaction).await?;
        if self.faults.due(&self.faults.after) {
            self.real = self.log.join(GROUP)?;
            self.rejoined = true;
            self.second_half.clear();
            return Err(LogError::Unavailable("planted".into()));
        }
        Ok(())
    }
}

pub(crate) struct FailingWarehouse {
    real: DuckdbWarehouse,
    faults: Arc<Faults>,
}

#[async_trait]
impl Warehouse for FailingWarehouse {
    async fn write(&self, mut rows: Rows) -> Result<(), WarehouseError> {
        // A row of the ledger or of lookups alone is none of this.
        if !rows.tables.iter().any(|(table, _)| *table == EventRows::TABLE) {
            return self.real.write(rows).await;
        }
        let failed = || WarehouseError::Unavailable("planted".into());
        if self.faults.due(&self.faults.before) {
            return Err(failed());
        }
        for (table, batch) in &mut rows.tables {
            if *table == EventRows::TABLE {
                *batch = spoilt(batch);
                if batch.num_rows() > 0 && self.faults.due(&self.faults.lost) {
                    *batch = batch.slice(1, batch.num_rows() - 1);
                }
            }
            if *table == LedgerRows::TABLE
                && accepts(batch)
                && self.faults.due(&self.faults.uncounted)
            {
                *batch = one_less(batch);
            }
        }
        if self.faults.due(&self.faults.late) {
            self.real.write(rows.clone()).await?;
        }
        self.real.write(rows).await?;
        if self.faults.due(&self.faults.after) { Err(failed()) } else { Ok(()) }
    }

    async fn recover(&self, log_id: &str, claims: &[Claim]) -> Result<Vec<Found>, WarehouseError> {
        self.real.recover(log_id, claims).await
    }

    async fn ledger(&self, log_id: &str) -> Result<LedgerState, WarehouseError> {
        self.real.ledger(log_id).await
    }
}

/// Rows of the ledger in which an event is accepted.
fn accepts(ledger: &RecordBatch) -> bool {
    let accepted = ledger.column_by_name("accepted").unwrap().as_primitive::<Int64Type>();
    accepted.values().iter().any(|count| *count > 0)
}

/// Rows of the ledger in which one event less is accepted.
fn one_less(ledger: &RecordBatch) -> RecordBatch {
    let at = ledger.schema().index_of("accepted").unwrap();
    let accepted = ledger.column(at).as_primitive::<Int64Type>();
    let accepted = accepted.values().iter().map(|count| count - i64::from(*count > 0));
    let mut columns = ledger.columns().to_vec();
    columns[at] = Arc::new(accepted.collect::<Int64Array>());
    RecordBatch::try_new(ledger.schema(), columns).unwrap()
}

/// Rows of events whose id begins with `spoilt` lose what a row must have, so that the real
/// warehouse refuses them.
fn spoilt(events: &RecordBatch) -> RecordBatch {
    let ids = events.column_by_name("event_id").unwrap().as_string::<i32>();
    let at = events.schema().index_of("user_id").unwrap();
    let users = events.column(at).as_string::<i32>();
    let user = |row: usize| (!ids.value(row).starts_with("spoilt")).then(|| users.value(row));
    let users: StringArray = (0..ids.len()).map(user).collect();
    let mut fields: Vec<_> = events.schema().fields().iter().cloned().collect();
    fields[at] = Arc::new(Field::new("user_id", DataType::Utf8, true));
    let mut columns = events.columns().to_vec();
    columns[at] = Arc::new(users);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

pub(crate) struct Stage {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) warehouse: DuckdbWarehouse,
    pub(crate) commits: Arc<Faults>,
    pub(crate) writes: Arc<Faults>,
    pub(crate) metrics: Arc<Metrics>,
    /// The processor's clock is this far ahead, in microseconds.
    pub(crate) ahead: Arc<AtomicI64>,
    /// By what it judges.
    pub(crate) rulebook: Rulebook,
}

struct Ahead(Arc<AtomicI64>);

impl Clock for Ahead {
    fn now_micros(&self) -> i64 {
        now_micros() + self.0.load(Ordering::SeqCst)
    }

    fn unique_id(&self) -> uuid::Uuid {
        SystemClock.unique_id()
    }
}

impl Stage {
    pub(crate) fn open(directory: &Path) -> Self {
        Self::on(Arc::new(SqliteLog::open(directory).unwrap()), directory)
    }

    /// A stage whose log is another than the embedded one.
    pub(crate) fn on(log: Arc<dyn Log>, directory: &Path) -> Self {
        Self {
            log,
            warehouse: DuckdbWarehouse::open(directory).unwrap(),
            commits: Arc::default(),
            writes: Arc::default(),
            metrics: Arc::default(),
            ahead: Arc::default(),
            rulebook: Rulebook::read(&Env::of([])).unwrap(),
        }
    }

    /// Appends events of an app as ingest does.
    pub(crate) async fn append(&self, app: &str, events: impl IntoIterator<Item = String>) {
        let received_at = (now_micros() / 1_000).to_string();
        let headers = Headers::new([
            (APP_ID, app.as_bytes()),
            (RECEIVED_AT, received_at.as_bytes()),
            (INGEST, b"boot"),
        ]);
        let record = |event: String| NewRecord {
            key: Some("u".into()),
            value: Some(event.into()),
            headers: headers.clone(),
            ..NewRecord::default()
        };
        let records: Vec<_> = events.into_iter().map(record).collect();
        assert!(self.log.append(Topic::Raw, records).all_stored().await);
    }

    /// Runs a processor until everything in the log is committed and every planted fault happened.
    pub(crate) async fn process(&self) {
        self.process_until("SELECT true").await;
    }

    /// The same, and until a query gives `true`.
    pub(crate) async fn process_until(&self, sql: &str) {
        let stop = CancellationToken::new();
        let warehouse = self.failing();
        let consumer = FailingConsumer {
            real: self.log.join(GROUP).unwrap(),
            log: self.log.clone(),
            faults: self.commits.clone(),
            rejoined: false,
            second_half: Vec::new(),
        };
        let processor = Processor::new(
            self.rulebook.clone(),
            self.log.clone(),
            Arc::new(warehouse),
            self.metrics.clone(),
            self.clock(),
            stop.clone(),
        );
        let running = tokio::spawn(processor.run(Box::new(consumer)));
        let reached = async {
            while !self.is_done().await || self.rows(sql).await != "[[true]]" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), reached).await.unwrap();
        stop.cancel();
        running.await.unwrap().unwrap();
    }

    /// The processor's clock.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(Ahead(self.ahead.clone()))
    }

    /// The warehouse, as it fails when it is told to.
    pub(crate) fn failing(&self) -> FailingWarehouse {
        FailingWarehouse { real: self.warehouse.clone(), faults: self.writes.clone() }
    }

    async fn is_done(&self) -> bool {
        // Brokers may be busy.
        let Ok(ends) = self.log.ends(Topic::Raw).await else { return false };
        let Ok(committed) = self.log.committed(GROUP).await else { return false };
        let reached = ends.iter().zip(&committed).all(|(end, at)| at.unwrap_or(0) >= *end);
        reached && self.commits.spent() && self.writes.spent()
    }

    /// The rows of a query as JSON text.
    pub(crate) async fn rows(&self, sql: &str) -> String {
        let limits = QueryLimits { timeout: Duration::from_secs(10), rows: 10_000 };
        let answer = self.warehouse.query(sql, limits).await.unwrap();
        serde_json::to_string(&answer.rows).unwrap()
    }

    /// Records of a topic.
    pub(crate) async fn records(&self, topic: Topic) -> i64 {
        self.log.ends(topic).await.unwrap().iter().sum()
    }
}

/// A good event.
pub(crate) fn event(id: &str) -> String {
    let now = questline_events::time::text(now_micros());
    format!(
        r#"{{"id":"{id}","user_id":"u","timestamp":"{now}","type":1001,"parameters":{{"level_id":7}}}}"#
    )
}

/// An event without a timestamp.
pub(crate) fn bad(id: &str) -> String {
    format!(r#"{{"id":"{id}","user_id":"u","type":1001}}"#)
}
