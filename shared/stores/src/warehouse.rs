//! The warehouse port.

use std::{ops::Range, time::Duration};

use arrow_array::RecordBatch;
use async_trait::async_trait;

use crate::Cause;

/// The rows of one batch, and where they come from. Written whole or not at all.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The log's id.
    pub log_id: String,
    /// Rows by table. Empty ones are left out.
    pub tables: Vec<(&'static str, RecordBatch)>,
    /// How far the batch moves on each partition of which it has records.
    pub positions: Vec<Advance>,
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

/// Which source positions a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Partition of the raw topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: i64,
    /// In `events`, or else in `events_dlq`.
    pub event: bool,
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
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Writes the rows and the source positions, all or nothing; only from the positions that the
    /// rows name.
    async fn write(&self, rows: Rows) -> Result<(), WarehouseError>;

    /// The next offset of each partition of a log, as the rows have it.
    async fn positions(&self, log_id: &str) -> Result<Vec<(u32, i64)>, WarehouseError>;

    /// Which of these source positions the tables hold.
    async fn settled(
        &self,
        log_id: &str,
        ranges: &[(u32, Range<i64>)],
    ) -> Result<Vec<Settled>, WarehouseError>;

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
