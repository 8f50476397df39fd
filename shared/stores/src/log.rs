//! The log port: the semantics of Kafka, as far as the pipeline leans on them.

use std::{
    convert::Infallible,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::{Cause, Headers, NewRecord, Record, Topic};

/// The group in whose name processing commits offsets of the raw topic.
pub const PROCESS_GROUP: &str = "process";

/// What became of appended records. Nothing is `Stored` before it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The log has acknowledged the very record.
    Stored,
    /// The log has refused it: it is not there.
    Failed,
}

/// What the log has said of the records of one append, each named by its place in it. Of records
/// without a fate when all is said it is unknown: they may be there or not.
#[derive(Debug)]
pub struct Deliveries {
    fates: Arc<[AtomicU8]>,
    /// Closed when the last reporter is gone: whoever waits is woken once, not for each record.
    last: oneshot::Receiver<Infallible>,
}

/// Where an adapter reports deliveries; dropped when it has nothing more to say.
#[derive(Debug)]
pub struct Reporter {
    fates: Arc<[AtomicU8]>,
    _last: oneshot::Sender<Infallible>,
}

impl Deliveries {
    /// The fates of so many records, of which nothing is known yet, and where to report them.
    #[must_use]
    pub fn of(records: usize) -> (Reporter, Self) {
        let fates: Arc<[AtomicU8]> = (0..records).map(|_| AtomicU8::new(0)).collect();
        let (sender, last) = oneshot::channel();
        (Reporter { fates: fates.clone(), _last: sender }, Self { fates, last })
    }

    /// Waits until the log has nothing more to say. Nothing is lost where nobody waits to the end.
    pub async fn ended(&mut self) {
        if !self.last.is_terminated() {
            // No message ever comes.
            _ = (&mut self.last).await;
        }
    }

    /// What is known by now of each record, in order.
    pub fn fates(&self) -> impl Iterator<Item = Option<Fate>> {
        self.fates.iter().map(|fate| match fate.load(Ordering::Acquire) {
            STORED => Some(Fate::Stored),
            FAILED => Some(Fate::Failed),
            _ => None,
        })
    }

    /// `true` if every record was stored; waits until all is said.
    pub async fn all_stored(mut self) -> bool {
        self.ended().await;
        self.fates().all(|fate| fate == Some(Fate::Stored))
    }
}

const STORED: u8 = 1;
const FAILED: u8 = 2;

impl Reporter {
    /// Reports the fate of some records of the append. Nobody may listen any more.
    pub fn report(&self, records: Range<usize>, fate: Fate) {
        let fate = match fate {
            Fate::Stored => STORED,
            Fate::Failed => FAILED,
        };
        for record in self.fates.iter().take(records.end).skip(records.start) {
            record.store(fate, Ordering::Release);
        }
    }
}

/// Why a log cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It may serve later: try again.
    #[error("the log is not available")]
    Unavailable(#[source] Cause),
    /// Somebody else holds the data directory.
    #[error(
        "the log in {0} is in use by another process: stop that one, or name another directory"
    )]
    InUse(String),
    /// What it keeps cannot be read.
    #[error(
        "the log in {place} is damaged: restore it from a backup, or move it away to start anew"
    )]
    Damaged {
        /// Where it lies.
        place: String,
        /// What is wrong.
        #[source]
        cause: Cause,
    },
    /// Its topics are not as they are to be, or it lets nobody in.
    #[error("the log cannot be used: {0}")]
    Misconfigured(String),
    /// The consumer may not be the owner of a partition any more: members come or go, and others
    /// may know more of it. Nothing was written.
    #[error("the partitions may have another owner")]
    Fenced,
}

/// Ingest's side.
#[async_trait]
pub trait Appender: Send + Sync {
    /// Appends records without waiting; each one's fate is reported when it is known. Reports end
    /// when the log is closed.
    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Deliveries;

    /// Whether the log can be reached.
    async fn ready(&self) -> Result<(), LogError>;
}

/// What a consumer asks of one poll.
#[derive(Debug, Clone, Copy)]
pub struct PollLimits {
    /// Stop after this many records (a log may give a few more).
    pub records: usize,
    /// Stop after this many bytes of values.
    pub bytes: usize,
    /// Wait this long for the first record.
    pub wait: Duration,
    /// Wait this long for more after the first, so that batches are worth their commit.
    pub linger: Duration,
}

/// What one poll gives. Changes of ownership come first and take effect before the records.
#[derive(Debug, Default)]
pub struct Polled {
    /// Partitions that are no longer ours.
    pub revoked: Vec<u32>,
    /// Partitions that are ours from now on.
    pub assigned: Vec<Assigned>,
    /// Ranges of offsets that expired before they were read.
    pub gaps: Vec<Gap>,
    /// Ranges of offsets that hold no record, on partitions of which this poll has none: to be
    /// committed, for no record may ever come that takes the group there.
    pub passed: Vec<Gap>,
    /// Records in the order of each partition.
    pub records: Vec<Record>,
}

/// A partition and what its group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The partition.
    pub partition: u32,
    /// The next offset to read; the earliest one kept if nothing was committed.
    pub next_offset: i64,
    /// What was committed with it.
    pub metadata: String,
}

/// Offsets that nobody will read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The partition.
    pub partition: u32,
    /// From the first to before the last.
    pub offsets: Range<i64>,
}

/// Records produced and offsets consumed, all or nothing.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Records to produce.
    pub records: Vec<(Topic, NewRecord)>,
    /// Offsets of the raw topic.
    pub offsets: Vec<Committed>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub partition: u32,
    /// The next offset to read.
    pub next_offset: i64,
    /// Text kept with it, up to 4 KB.
    pub metadata: String,
}

/// Processing's side: a member of a group that reads the raw topic.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for records, or for a change of ownership.
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, LogError>;

    /// Commits a transaction. After an error the next poll assigns the partitions again, from what
    /// is committed: whatever was in hand is to be forgotten.
    async fn commit(&mut self, transaction: Transaction) -> Result<(), LogError>;
}

/// What one sees of a record without its value.
#[derive(Debug, Clone)]
pub struct Head {
    /// The partition.
    pub partition: u32,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The headers.
    pub headers: Headers,
}

/// Looking at a log without being a member of a group.
#[async_trait]
pub trait Reader: Send + Sync {
    /// Tells logs apart: another log starts at its own beginning.
    fn log_id(&self) -> &str;

    /// The offset after the last record of each partition.
    async fn ends(&self, topic: Topic) -> Result<Vec<i64>, LogError>;

    /// What a group has committed on each partition of the raw topic.
    async fn committed(&self, group: &str) -> Result<Vec<Option<i64>>, LogError>;

    /// Shows the head of every record of some partitions, from a time on at the latest.
    async fn scan(
        &self,
        topic: Topic,
        partitions: &[u32],
        since_ms: i64,
        visit: &mut (dyn for<'h> FnMut(&'h Head) + Send),
    ) -> Result<(), LogError>;

    /// The record of the raw topic at a position; none where the log does not keep one there.
    async fn record(&self, partition: u32, offset: i64) -> Result<Option<Record>, LogError>;
}

/// How many records before some ends a group has not committed.
#[must_use]
pub fn behind(ends: &[i64], committed: &[Option<i64>]) -> i64 {
    let open = |(end, committed): (&i64, &Option<i64>)| (end - committed.unwrap_or(0)).max(0);
    ends.iter().zip(committed).map(open).sum()
}

/// A log as whoever assembles a process has it: every side of it, and its end.
#[async_trait]
pub trait Log: Appender + Reader {
    /// A member of a group that reads the raw topic.
    ///
    /// # Errors
    /// If the log cannot be read.
    fn join(&self, group: &str) -> Result<Box<dyn Consumer>, LogError>;

    /// Sees to what waits, and ends: later appends may fail.
    async fn close(&self);

    /// Drops what is older than its topic's retention at a moment (milliseconds since 1970). A log
    /// that does so by itself has nothing to do.
    ///
    /// # Errors
    /// If the log cannot be written.
    async fn expire(&self, _now_ms: i64) -> Result<(), LogError> {
        Ok(())
    }
}
