//! The tables, read and written by statements with parameters.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use questline_stores::{
    Topic,
    log::{Committed, Head, LogError},
};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use crate::chunk::{Chunk, Offsets, decode, heads};

/// Rows of one topic have ids of one range.
const TOPIC_SHIFT: u32 = 48;
/// The layout of this release.
const FORMAT: i64 = 1;

/// One connection to the file.
pub(crate) struct Rows {
    db: Connection,
    place: String,
}

/// A row of the table `batch` with its values.
pub(crate) struct Batch {
    pub(crate) id: i64,
    pub(crate) starts: Vec<i64>,
    pub(crate) meta: Bytes,
    pub(crate) body: Vec<u8>,
}

/// The range of a topic's row ids: the first possible, and the first of the next topic.
pub(crate) const fn ids(topic: Topic) -> (i64, i64) {
    let number = match topic {
        Topic::Raw => 1,
        Topic::Enriched => 2,
        Topic::Dlq => 3,
    };
    (number << TOPIC_SHIFT, (number + 1) << TOPIC_SHIFT)
}

impl Rows {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let place = path.display().to_string();
        let open = || -> rusqlite::Result<Connection> {
            let db = Connection::open(path)?;
            db.busy_timeout(Duration::from_secs(5))?;
            db.pragma_update(None, "page_size", 16_384)?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            // 16 MB: a checkpoint is one fsync and a copy from the page cache.
            db.pragma_update(None, "wal_autocheckpoint", 1_000)?;
            db.pragma_update(None, "cache_size", -8_192)?;
            db.execute_batch(include_str!("schema.sql"))?;
            Ok(db)
        };
        let db = open().map_err(|error| failure(error, &place))?;
        Ok(Self { db, place })
    }

    /// Another connection to the same file.
    pub(crate) fn again(&self) -> Result<Self, LogError> {
        Self::open(Path::new(&self.place))
    }

    fn ok<T>(&self, result: rusqlite::Result<T>) -> Result<T, LogError> {
        result.map_err(|error| failure(error, &self.place))
    }

    pub(crate) fn damaged(
        &self,
        cause: impl std::error::Error + Send + Sync + 'static,
    ) -> LogError {
        LogError::Damaged { place: self.place.clone(), cause: cause.into() }
    }

    /// The log's id, made at its first opening.
    pub(crate) fn log_id(&self) -> Result<String, LogError> {
        let found = self.db.query_row("SELECT id, format FROM log", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
        match self.ok(found.optional())? {
            Some((id, FORMAT)) => Ok(id),
            Some((_, format)) => Err(self.damaged(std::io::Error::other(format!(
                "its format is {format}, this release reads {FORMAT}"
            )))),
            None => {
                let id = uuid::Uuid::now_v7().to_string();
                let insert = "INSERT INTO log (id, format, probed_ms) VALUES (?1, ?2, 0)";
                self.ok(self.db.execute(insert, params![id, FORMAT]))?;
                Ok(id)
            }
        }
    }

    /// The end offsets of every topic's partitions, from the topics' last rows.
    pub(crate) fn ends(&self) -> Result<[Vec<i64>; 3], LogError> {
        let mut ends = Topic::ALL.map(|topic| vec![0; topic.partitions() as usize]);
        for (topic, ends) in Topic::ALL.into_iter().zip(&mut ends) {
            if let Some((_, last)) = self.span(topic)?
                && let Some(batch) = self.batch(last)?
            {
                ends.copy_from_slice(&batch.starts);
                heads(batch.meta, |head| {
                    if let Some(end) = ends.get_mut(head.partition as usize) {
                        *end += 1;
                    }
                })
                .map_err(|cause| self.damaged(cause))?;
            }
        }
        Ok(ends)
    }

    /// The ids of a topic's first and last row.
    pub(crate) fn span(&self, topic: Topic) -> Result<Option<(i64, i64)>, LogError> {
        let (from, to) = ids(topic);
        let edge = |sql: &str| -> Result<Option<i64>, LogError> {
            self.ok(self.db.prepare_cached(sql).and_then(|mut statement| {
                statement.query_row(params![from, to], |row| row.get(0)).optional()
            }))
        };
        let first = edge("SELECT id FROM batch WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1")?;
        let last =
            edge("SELECT id FROM batch WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1")?;
        Ok(first.zip(last))
    }

    /// The newest timestamp of a row and all before it.
    pub(crate) fn newest_ms(&self, id: i64) -> Result<Option<i64>, LogError> {
        let sql = "SELECT newest_ms FROM batch WHERE id = ?1";
        self.ok(self.db.query_row(sql, params![id], |row| row.get(0)).optional())
    }

    /// One row.
    pub(crate) fn batch(&self, id: i64) -> Result<Option<Batch>, LogError> {
        self.first_of(id, id + 1)
    }

    /// The first row of a topic from an id on.
    pub(crate) fn batch_from(&self, topic: Topic, id: i64) -> Result<Option<Batch>, LogError> {
        self.first_of(id, ids(topic).1)
    }

    fn first_of(&self, from: i64, to: i64) -> Result<Option<Batch>, LogError> {
        let sql = "SELECT id, starts, meta, body FROM batch
                   WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1";
        self.ok(self.db.prepare_cached(sql).and_then(|mut statement| {
            statement
                .query_row(params![from, to], |row| {
                    Ok(Batch {
                        id: row.get(0)?,
                        starts: starts(row, 1)?,
                        meta: row.get::<_, Vec<u8>>(2)?.into(),
                        body: row.get(3)?,
                    })
                })
                .optional()
        }))
    }

    /// The records of a row that somebody wants.
    pub(crate) fn records(
        &self,
        batch: Batch,
        wanted: impl FnMut(u32, i64) -> bool,
        records: &mut Vec<questline_stores::Record>,
    ) -> Result<(), LogError> {
        let mut offsets = Offsets(batch.starts);
        decode(batch.meta, &batch.body, &mut offsets, wanted, records)
            .map_err(|cause| self.damaged(cause))
    }

    /// The last row, in order, of which `before` still holds; the first one if of none.
    /// `before` sees a row's newest timestamp and its starts; where it fails, it fails ever after.
    pub(crate) fn bisect(
        &self,
        topic: Topic,
        before: impl Fn(i64, &[i64]) -> bool,
    ) -> Result<Option<i64>, LogError> {
        let Some((first, last)) = self.span(topic)? else { return Ok(None) };
        let (mut low, mut high) = (first, last + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let sql = "SELECT newest_ms, starts FROM batch WHERE id = ?1";
            let head = self.ok(self.db.prepare_cached(sql).and_then(|mut statement| {
                statement
                    .query_row(params![middle], |row| Ok((row.get::<_, i64>(0)?, starts(row, 1)?)))
                    .optional()
            }))?;
            if head.is_none_or(|(newest_ms, starts)| before(newest_ms, &starts)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(Some(low))
    }

    /// The record at a position, where it is kept.
    pub(crate) fn record(
        &self,
        topic: Topic,
        partition: u32,
        offset: i64,
    ) -> Result<Option<questline_stores::Record>, LogError> {
        let before =
            |_: i64, starts: &[i64]| starts.get(partition as usize).is_some_and(|at| *at <= offset);
        let Some(row) = self.bisect(topic, before)? else { return Ok(None) };
        let mut found = Vec::new();
        if let Some(batch) = self.batch(row)? {
            self.records(batch, |p, o| (p, o) == (partition, offset), &mut found)?;
        }
        Ok(found.pop())
    }

    /// Where a moment begins on each partition of a topic. Rows before the first one that reaches
    /// it are older, whatever their records say, and rows after it are not: one moment's end is
    /// another's beginning.
    pub(crate) fn offsets_at(&self, topic: Topic, moment_ms: i64) -> Result<Vec<i64>, LogError> {
        let mut offsets = vec![0; topic.partitions() as usize];
        let mut next = self.bisect(topic, |newest_ms, _| newest_ms < moment_ms)?;
        while let Some(id) = next
            && let Some(batch) = self.batch_from(topic, id)?
        {
            let reached = self.newest_ms(batch.id)?.is_some_and(|newest| newest >= moment_ms);
            next = (!reached).then_some(batch.id + 1);
            offsets = batch.starts;
            let mut begun = vec![false; offsets.len()];
            let older = |head: &Head| {
                let partition = head.partition as usize;
                if let (Some(begun), Some(offset)) =
                    (begun.get_mut(partition), offsets.get_mut(partition))
                {
                    *begun |= head.timestamp_ms >= moment_ms;
                    *offset += i64::from(!*begun);
                }
            };
            heads(batch.meta, older).map_err(|cause| self.damaged(cause))?;
        }
        Ok(offsets)
    }

    /// Shows the heads of a topic's records, from a time on at the latest.
    pub(crate) fn scan(
        &self,
        topic: Topic,
        since_ms: i64,
        mut visit: impl FnMut(&Head),
    ) -> Result<(), LogError> {
        let Some(start) = self.bisect(topic, |newest_ms, _| newest_ms < since_ms)? else {
            return Ok(());
        };
        let sql = "SELECT meta FROM batch WHERE id >= ?1 AND id < ?2 ORDER BY id";
        let mut statement = self.ok(self.db.prepare_cached(sql))?;
        let mut found = self.ok(statement.query(params![start, ids(topic).1]))?;
        while let Some(row) = self.ok(found.next())? {
            let meta: Vec<u8> = self.ok(row.get(0))?;
            heads(meta.into(), &mut visit).map_err(|cause| self.damaged(cause))?;
        }
        Ok(())
    }

    /// What a group has committed.
    pub(crate) fn committed(&self, group: &str) -> Result<Vec<Committed>, LogError> {
        let sql = "SELECT partition, next_offset, metadata FROM committed WHERE consumers = ?1";
        self.ok(self.db.prepare_cached(sql).and_then(|mut statement| {
            let rows = statement.query_map(params![group], |row| {
                Ok(Committed {
                    partition: row.get(0)?,
                    next_offset: row.get(1)?,
                    metadata: row.get(2)?,
                })
            })?;
            rows.collect()
        }))
    }

    /// Runs `work` in one durable transaction. `true` with an error: nothing was written for sure.
    pub(crate) fn transaction(
        &self,
        work: impl FnOnce(&Self) -> rusqlite::Result<()>,
    ) -> Result<(), (LogError, bool)> {
        let begun = self.db.execute_batch("BEGIN IMMEDIATE");
        if let Err(error) = begun.and_then(|()| work(self)) {
            // A transaction that the failure ended already cannot be rolled back.
            _ = self.db.execute_batch("ROLLBACK");
            return Err((failure(error, &self.place), true));
        }
        self.db.execute_batch("COMMIT").map_err(|error| {
            _ = self.db.execute_batch("ROLLBACK");
            let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
            (failure(error, &self.place), full)
        })
    }

    /// Appends one row to a topic.
    pub(crate) fn insert(
        &self,
        id: i64,
        newest_ms: i64,
        starts: &[i64],
        chunks: &[Chunk],
    ) -> rusqlite::Result<()> {
        let starts: Vec<u8> = starts.iter().flat_map(|start| start.to_le_bytes()).collect();
        let meta = chunks.iter().map(|chunk| chunk.meta.as_slice()).collect::<Vec<_>>().concat();
        let body = chunks.iter().map(|chunk| chunk.body.as_slice()).collect::<Vec<_>>().concat();
        let sql =
            "INSERT INTO batch (id, newest_ms, starts, meta, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.db.prepare_cached(sql)?.execute(params![id, newest_ms, starts, meta, body])?;
        Ok(())
    }

    pub(crate) fn commit_offset(&self, group: &str, offset: &Committed) -> rusqlite::Result<()> {
        let sql = "INSERT INTO committed (consumers, partition, next_offset, metadata)
                   VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (consumers, partition)
                   DO UPDATE SET next_offset = excluded.next_offset, metadata = excluded.metadata";
        let values = params![group, offset.partition, offset.next_offset, offset.metadata];
        self.db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    pub(crate) fn probe(&self, now_ms: i64) -> rusqlite::Result<()> {
        self.db.prepare_cached("UPDATE log SET probed_ms = ?1")?.execute(params![now_ms])?;
        Ok(())
    }

    /// Deletes some rows of a topic that are older than a time, but never the last one. `true` if
    /// there may be more.
    pub(crate) fn expire(&self, topic: Topic, older_than_ms: i64) -> rusqlite::Result<bool> {
        const AT_ONCE: usize = 64;
        let (from, to) = ids(topic);
        let sql = "DELETE FROM batch WHERE id IN (
                       SELECT id FROM batch WHERE id >= ?1 AND id < ?2
                       AND id < (SELECT max(id) FROM batch WHERE id >= ?1 AND id < ?2)
                       ORDER BY id LIMIT ?4
                   ) AND newest_ms < ?3";
        let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let values = params![from, to, older_than_ms, limit];
        Ok(self.db.prepare_cached(sql)?.execute(values)? == AT_ONCE)
    }
}

fn starts(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<i64>> {
    let blob = row.get_ref(column)?.as_blob()?;
    let (starts, _) = blob.as_chunks::<8>();
    Ok(starts.iter().map(|start| i64::from_le_bytes(*start)).collect())
}

fn failure(error: rusqlite::Error, place: &str) -> LogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            LogError::Damaged { place: place.to_owned(), cause: error.into() }
        }
        _ => LogError::Unavailable(error.into()),
    }
}
