//! Replay's ports: a log, or its archive, is read again, and new rows take the place of those that
//! were there.

use std::ops::Range;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use questline_events::{
    Day,
    limits::{BATCH_BYTES, BATCH_RECORDS},
};
use tokio::sync::mpsc;

use crate::{
    Record,
    log::LogError,
    warehouse::{WarehouseError, ranges},
};

/// Records, page by page. Whoever has heard enough drops it.
pub type Pages = mpsc::Receiver<Result<Vec<Record>, LogError>>;

/// Pages that wait for whoever reads them.
const PAGES: usize = 2;

/// Reads in a thread of its own. `read` hands each page over, by what says whether anybody still
/// listens, and gives the last one.
pub fn pages(
    read: impl FnOnce(&mut dyn FnMut(Vec<Record>) -> bool) -> Result<Vec<Record>, LogError>
    + Send
    + 'static,
) -> Pages {
    let (send, pages) = mpsc::channel(PAGES);
    tokio::task::spawn_blocking(move || {
        let last = read(&mut |page| send.blocking_send(Ok(page)).is_ok());
        // Nobody may listen any more.
        _ = send.blocking_send(last);
    });
    pages
}

/// Whether so many records, with so many bytes, are a page.
#[must_use]
pub const fn is_page(records: usize, bytes: usize) -> bool {
    records >= BATCH_RECORDS || bytes >= BATCH_BYTES
}

/// What was once in the raw topic: a log, or an archive of it.
#[async_trait]
pub trait Past: Send + Sync {
    /// Of each partition the offset at which a moment (milliseconds since 1970) begins: what is
    /// before it is older, as far as the log's time goes on; the partition's end where nothing is
    /// younger.
    async fn offsets_at(&self, timestamp_ms: i64) -> Result<Vec<i64>, LogError>;

    /// Reads some offsets of each partition, in their order. What is not there any more is left out.
    fn read(&self, offsets: Vec<Range<i64>>) -> Pages;

    /// Whether every record that some offsets of each partition ever had is still there: what was
    /// left out of them is the mark of somebody's transaction, or what that took back. Where each
    /// offset is a record's, one that was left out is lost.
    async fn keeps(&self, _offsets: &[Range<i64>]) -> Result<bool, LogError> {
        Ok(false)
    }
}

/// Offsets of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The partition.
    pub partition: u32,
    /// From the first to before the last.
    pub offsets: Range<i64>,
}

/// A source position that a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Partition of the raw topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: i64,
    /// In `events`, or else in `events_dlq`.
    pub event: bool,
    /// Its minute is in the parts.
    pub counted: bool,
}

/// What a replacement came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Rows of `events` and `events_dlq` that are gone.
    pub before: u64,
    /// Rows that stand there now.
    pub after: u64,
    /// Days that have changed: of these rows' events, and on which they were received.
    pub days: Vec<Day>,
}

/// One replay at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What the ledger calls it; no other has this name.
    pub name: String,
    /// The log whose source positions are meant.
    pub log_id: String,
    /// When it began, microseconds since 1970.
    pub began_at: i64,
}

/// Spans as a parameter of a statement.
#[must_use]
pub fn parameter(spans: &[Span]) -> String {
    ranges(spans.iter().map(|Span { partition, offsets }| (*partition, offsets)))
}

/// Replay's side of a warehouse.
#[async_trait]
pub trait Replace: Send + Sync {
    /// Begins: what an earlier replay has left is nothing to this one. It will ask for nothing but
    /// what the tables have of these offsets.
    async fn begin(&self, run: &Run, spans: &[Span]) -> Result<(), WarehouseError>;

    /// What the tables have of some offsets. A position that is in both is an event.
    async fn known(&self, run: &Run, spans: &[Span]) -> Result<Vec<Known>, WarehouseError>;

    /// Puts rows aside.
    async fn stage(
        &self,
        run: &Run,
        tables: Vec<(&'static str, RecordBatch)>,
    ) -> Result<(), WarehouseError>;

    /// The rows put aside take the place of those of some offsets, all or nothing, and the days
    /// that this changes are noted as touched at `now`.
    async fn replace(
        &self,
        run: &Run,
        spans: &[Span],
        now: i64,
    ) -> Result<Replaced, WarehouseError>;
}
