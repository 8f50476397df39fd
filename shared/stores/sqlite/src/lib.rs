#![doc = include_str!("../README.md")]

mod chunk;
mod consumer;
mod groups;
mod past;
mod rows;
mod writer;

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use questline_events::limits::APPEND_QUEUE_BYTES;
use questline_stores::{
    NewRecord, Record, Topic,
    log::{Appender, Consumer, Deliveries, Fate, Head, Log, LogError, Reader},
};
use rows::Rows;
use tokio::sync::{Semaphore, oneshot};
use writer::{Append, Job, Writer};

/// The file's name in the data directory.
pub const FILE: &str = "log.sqlite";

/// An open log. Cloning is cheap; the last clone's end is not the log's: see [`Log::close`].
#[derive(Clone)]
pub struct SqliteLog {
    shared: Arc<Shared>,
}

struct Shared {
    log_id: String,
    reader: Mutex<Rows>,
    writer: Writer,
    groups: groups::Groups,
    /// Where the next record without a key goes.
    next_unkeyed: AtomicU32,
    /// Bytes that may still wait for a commit.
    room: Arc<Semaphore>,
    /// Held for as long as the log is open.
    _lock: File,
}

impl SqliteLog {
    /// Opens the log of a data directory, or makes one.
    ///
    /// # Errors
    /// If another process has it, if it is damaged, or if the directory cannot be written.
    pub fn open(directory: &Path) -> Result<Self, LogError> {
        let lock = lock(directory)?;
        let rows = Rows::open(&directory.join(FILE))?;
        let log_id = rows.log_id()?;
        let ends = rows.ends()?;
        let writer = Writer::start(Rows::open(&directory.join(FILE))?, ends)?;
        let shared = Shared {
            log_id,
            reader: Mutex::new(rows),
            writer,
            groups: groups::Groups::default(),
            next_unkeyed: AtomicU32::new(0),
            room: Arc::new(Semaphore::new(APPEND_QUEUE_BYTES)),
            _lock: lock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Shared {
    async fn ask<T>(&self, job: impl FnOnce(writer::Reply<T>) -> Job) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(job(reply));
        answer.await.unwrap_or_else(|closed| Err(LogError::Unavailable(closed.into())))
    }

    fn read<T>(&self, read: impl FnOnce(&Rows) -> Result<T, LogError>) -> Result<T, LogError> {
        read(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Chooses partitions as librdkafka does by default: by the key's CRC-32.
    fn place(&self, topic: Topic, records: Vec<NewRecord>) -> Vec<(u32, NewRecord)> {
        let partition = |record: &NewRecord| match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => crc32fast::hash(key),
            (None, None) => self.next_unkeyed.fetch_add(1, Ordering::Relaxed),
        };
        records
            .into_iter()
            .map(|record| (partition(&record) % topic.partitions(), record))
            .collect()
    }
}

fn lock(directory: &Path) -> Result<File, LogError> {
    let unavailable = |error: std::io::Error| LogError::Unavailable(error.into());
    std::fs::create_dir_all(directory).map_err(unavailable)?;
    let path = directory.join("log.lock");
    let file = File::options().create(true).append(true).open(path).map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse(directory.display().to_string())),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

/// Milliseconds since 1970: the log's timestamp.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Appender for SqliteLog {
    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Deliveries {
        let count = records.len();
        let (reporter, deliveries) = Deliveries::of(count);
        let bytes = records.iter().map(NewRecord::bytes).sum::<usize>().max(1);
        // Backpressure: what finds no room is refused at once, and waits at its sender.
        let weight = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(room) = self.shared.room.clone().try_acquire_many_owned(weight) else {
            reporter.report(0..count, Fate::Failed);
            return deliveries;
        };
        let chunks = chunk::encode(&self.shared.place(topic, records), now_ms());
        let append = Append { topic, chunks, count, reporter, _room: room };
        self.shared.writer.send(Job::Append(append));
        deliveries
    }

    async fn ready(&self) -> Result<(), LogError> {
        self.shared.ask(Job::Probe).await
    }
}

#[async_trait]
impl Reader for SqliteLog {
    fn log_id(&self) -> &str {
        &self.shared.log_id
    }

    async fn ends(&self, topic: Topic) -> Result<Vec<i64>, LogError> {
        Ok(self.shared.writer.ends(topic))
    }

    async fn committed(&self, group: &str) -> Result<Vec<Option<i64>>, LogError> {
        let committed = self.shared.read(|rows| rows.committed(group))?;
        let mut offsets = vec![None; Topic::Raw.partitions() as usize];
        for offset in committed {
            if let Some(slot) = offsets.get_mut(offset.partition as usize) {
                *slot = Some(offset.next_offset);
            }
        }
        Ok(offsets)
    }

    async fn scan(
        &self,
        topic: Topic,
        partitions: &[u32],
        since_ms: i64,
        visit: &mut (dyn for<'h> FnMut(&'h Head) + Send),
    ) -> Result<(), LogError> {
        let mut wanted = vec![false; topic.partitions() as usize];
        for partition in partitions {
            if let Some(slot) = wanted.get_mut(*partition as usize) {
                *slot = true;
            }
        }
        let show = |head: &Head| {
            if head.timestamp_ms >= since_ms && wanted[head.partition as usize] {
                visit(head);
            }
        };
        // A connection of its own: a long look holds up nobody.
        let rows = self.shared.read(Rows::again)?;
        rows.scan(topic, since_ms, show)
    }

    async fn record(&self, partition: u32, offset: i64) -> Result<Option<Record>, LogError> {
        self.shared.read(|rows| rows.record(Topic::Raw, partition, offset))
    }
}

#[async_trait]
impl Log for SqliteLog {
    fn join(&self, group: &str) -> Result<Box<dyn Consumer>, LogError> {
        Ok(Box::new(consumer::SqliteConsumer::join(self.shared.clone(), group)?))
    }

    /// Commits what waits, and ends the writer: later appends fail.
    async fn close(&self) {
        let (reply, done) = oneshot::channel();
        self.shared.writer.send(Job::Close(reply));
        // No answer means that it is closed already.
        _ = done.await;
    }

    /// The newest row of a topic stays.
    async fn expire(&self, now_ms: i64) -> Result<(), LogError> {
        self.shared.ask(|reply| Job::Expire { now_ms, reply }).await
    }
}
