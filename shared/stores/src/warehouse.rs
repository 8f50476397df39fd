//! The warehouse port.

use std::{ops::Range, time::Duration};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use questline_events::{
    batch::Missing,
    limits::{BATCH_BYTES, BATCH_RECORDS},
    minutes::Key,
};
use serde::{Deserialize, Serialize};

use crate::Cause;

/// Source positions as a parameter of a statement: `PARTITION:FIRST:END`, with commas between.
#[must_use]
pub fn ranges<'r>(ranges: impl IntoIterator<Item = (u32, &'r Range<i64>)>) -> String {
    let range = |(partition, offsets): (u32, &Range<i64>)| {
        format!("{partition}:{}:{}", offsets.start, offsets.end)
    };
    ranges.into_iter().map(range).collect::<Vec<_>>().join(",")
}

/// The rows of one batch, and where they come from.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The log's id.
    pub log_id: String,
    /// Rows by table. Empty ones are left out.
    pub tables: Vec<(&'static str, RecordBatch)>,
    /// How far the batch moves on each partition of which it has records.
    pub positions: Vec<Advance>,
    /// Where the rows go, once the log has it; of a batch, where the warehouse asks for it.
    pub places: Option<Places>,
}

/// A move on a partition, made only from where the writer believes the tables to be: whoever has
/// lost a partition without knowing it writes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// Partition of the raw topic.
    pub partition: u32,
    /// The next offset before; none if the tables have nothing of it.
    pub from: Option<i64>,
    /// The next offset after.
    pub to: i64,
}

/// Where the rows of one batch go. Whoever recovers the batch learns from it what was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// A place for each table that the batch has rows of.
    pub tables: Vec<Place>,
    /// The first and the last day of its events, days since 1970.
    pub days: Option<(i32, i32)>,
}

/// Rows of one table go into a stream, from a row of it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The table.
    pub table: String,
    /// The stream's name; a table has many.
    pub stream: String,
    /// Rows of the stream before them.
    pub row: i64,
}

/// Source positions of a partition, before an offset, whose records were judged although the log's
/// offsets are behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Before this offset.
    pub until: i64,
    /// All of their events and letters are in the tables: what is in neither was a duplicate.
    pub complete: bool,
    /// The other tables that do not have their part yet.
    pub missing: Missing,
    /// The first and the last day of their events, days since 1970; none where all may be.
    pub days: Option<(i32, i32)>,
}

/// What the log knows of a partition that is to be recovered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Partition of the raw topic.
    pub partition: u32,
    /// The offset committed last.
    pub next_offset: i64,
    /// The batch from there on was declared: it ends before this offset, its rows go there.
    pub declared: Option<(i64, Places)>,
    /// What was known to be in the tables when that was declared, in the order of offsets.
    pub held: Vec<Held>,
}

/// What the tables have of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The partition.
    pub partition: u32,
    /// The next offset, as the tables have it; none where they have nothing, or do not keep it.
    pub at: Option<i64>,
    /// What was judged although the log's offsets are behind it, in the order of offsets.
    pub held: Vec<Held>,
    /// Rows of events and letters from the claim's offset on.
    pub rows: Vec<Settled>,
}

impl Found {
    /// Where a batch is one transaction with its positions, nothing of what the tables hold is
    /// missing; its rows are still to be asked for.
    #[must_use]
    pub fn of_transactions(claim: &Claim, at: Option<i64>) -> Self {
        let held = at.filter(|at| *at > claim.next_offset).map(|until| Held {
            until,
            complete: true,
            missing: Missing::default(),
            days: None,
        });
        let (partition, held) = (claim.partition, held.into_iter().collect());
        Self { partition, at, held, rows: Vec::new() }
    }
}

/// How much of the log a batch may be.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Records.
    pub records: usize,
    /// Bytes of their values.
    pub bytes: usize,
    /// Bytes of the rows of one table.
    pub table_bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { records: BATCH_RECORDS, bytes: BATCH_BYTES, table_bytes: usize::MAX }
    }
}

/// A source position that a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Partition of the raw topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: i64,
    /// In `events`, or else in `events_dlq`.
    pub event: bool,
    /// By what the event is counted; none where its minute is there if it is.
    pub minute: Option<Key>,
}

/// What the table `ledger` knows of one boot of ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The boot's id.
    pub id: String,
    /// Its first minute, microseconds since 1970.
    pub first_minute: i64,
    /// The last minute that it has written for good.
    pub last_complete: Option<i64>,
    /// When its last page was written, microseconds since 1970.
    pub last_written: i64,
}

/// What the table `ledger` knows of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerState {
    /// Every minute up to this one is closed, microseconds since 1970.
    pub closed_through: Option<i64>,
    /// Boots that have not ended in order.
    pub boots: Vec<Boot>,
}

/// Why a warehouse did not write.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// It may serve later: try again, with the same rows.
    #[error("the warehouse is not available")]
    Unavailable(#[source] Cause),
    /// It refuses these rows of `events` for their content; nothing was written.
    #[error("the warehouse refuses {} rows for their content", .0.len())]
    Refused(Vec<usize>),
    /// The rows of a batch are more than it takes at a time; nothing was written.
    #[error("the batch is larger than the warehouse takes at a time")]
    TooLarge,
    /// Somebody else has moved on one of the partitions; nothing was written.
    #[error("somebody else has written records of these partitions")]
    Fenced,
    /// Somebody else holds the file.
    #[error(
        "the warehouse {0} is in use by another process: stop that one, or name another directory"
    )]
    InUse(String),
    /// What it keeps cannot be read, or has another shape than this release writes.
    #[error(
        "the warehouse {place} cannot be used: restore it from a backup, or move it away to start anew"
    )]
    Damaged {
        /// Where it lies.
        place: String,
        /// What is wrong.
        #[source]
        cause: Cause,
    },
}

/// Processing's side.
///
/// Where rows of several tables are one transaction, a batch is written with its source positions,
/// and only from where the tables are. Elsewhere it is declared first: the log keeps where its rows
/// will go, so that whoever comes after a crash can tell which of them are there.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// How much a batch may be.
    fn batch(&self) -> BatchLimits {
        BatchLimits::default()
    }

    /// Where the rows of a batch will go, which the log is to have before they are written; none
    /// where rows and positions are one transaction.
    async fn declare(&self, _rows: &Rows) -> Result<Option<Places>, WarehouseError> {
        Ok(None)
    }

    /// Writes rows. A batch that is not declared is written with its positions, all or nothing, and
    /// only from the positions that it names. A declared one is written once, however often it is
    /// tried. Rows of no batch (no positions) are written once or more.
    async fn write(&self, rows: Rows) -> Result<(), WarehouseError>;

    /// Takes partitions over: what the tables have of them, after which whoever had them before
    /// writes nothing of what was declared there. Twice is once.
    async fn recover(&self, log_id: &str, claims: &[Claim]) -> Result<Vec<Found>, WarehouseError>;

    /// What the ledger knows of a log, for whoever closes its minutes.
    async fn ledger(&self, log_id: &str) -> Result<LedgerState, WarehouseError>;
}

/// What a query may cost.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// It is cut after this long.
    pub timeout: Duration,
    /// It may give this many rows.
    pub rows: usize,
}

/// Why a query has no answer. The text is for the person who typed it.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It is not exactly one SELECT, or names what does not exist.
    #[error("{0}")]
    Invalid(String),
    /// It took longer than it may.
    #[error("the query was cut after {0:?}: ask for fewer days, or filter by event_date")]
    Timeout(Duration),
    /// It gives more rows than it may.
    #[error("the query gives more than {0} rows: add a LIMIT or aggregate")]
    TooManyRows(usize),
    /// The warehouse cannot serve.
    #[error("the warehouse is not available")]
    Unavailable(#[source] Cause),
}

/// The answer to a query: every value as JSON, so that every client can read it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// People's side: one SELECT, bounded, without side effects.
#[async_trait]
pub trait Query: Send + Sync {
    /// Answers one read-only SELECT.
    async fn query(&self, sql: &str, limits: QueryLimits) -> Result<Answer, QueryError>;
}
