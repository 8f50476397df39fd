//! A member of a group that reads the raw topic.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use questline_stores::{
    NewRecord, Topic,
    log::{Assigned, Consumer, Gap, LogError, PollLimits, Polled, Transaction},
};

use crate::{
    Shared, chunk,
    groups::Membership,
    now_ms,
    rows::{Rows, ids},
    writer::{Commit, Job},
};

pub(crate) struct SqliteConsumer {
    shared: Arc<Shared>,
    group: String,
    rows: Rows,
    membership: Membership,
    /// Changes of ownership that this member has seen; none after a failed commit.
    seen: Option<u64>,
    /// The next offset of each partition; none where it is not ours.
    positions: Vec<Option<i64>>,
    /// The next row to read.
    cursor: i64,
}

impl SqliteConsumer {
    pub(crate) fn join(shared: Arc<Shared>, group: &str) -> Result<Self, LogError> {
        let rows = shared.read(Rows::again)?;
        let member = shared.groups.join(group);
        Ok(Self {
            shared,
            group: group.to_owned(),
            rows,
            membership: Membership { member, generation: 0 },
            seen: None,
            positions: vec![None; Topic::Raw.partitions() as usize],
            cursor: ids(Topic::Raw).0,
        })
    }

    /// Takes note of what is ours now, if that has changed.
    fn rebalance(&mut self, polled: &mut Polled) -> Result<(), LogError> {
        let changes = self.shared.groups.changes();
        if self.seen == Some(changes) {
            return Ok(());
        }
        let groups = self.shared.groups.clone();
        // Under the lock no commit of the partitions' last owner is under way.
        let members = groups.lock();
        let (generation, owned) = members.assignment(&self.group, self.membership.member);
        let anew = self.seen.is_none();
        if anew || generation != self.membership.generation {
            let ours = |partition: &u32| owned.contains(partition);
            for (partition, position) in (0..).zip(&mut self.positions) {
                if position.is_some() && (anew || !ours(&partition)) {
                    *position = None;
                    polled.revoked.push(partition);
                }
            }
            let committed = self.rows.committed(&self.group)?;
            for partition in owned {
                let position = &mut self.positions[partition as usize];
                if position.is_none() {
                    let found = committed.iter().find(|known| known.partition == partition);
                    let next_offset = found.map_or(0, |known| known.next_offset);
                    let metadata = found.map(|known| known.metadata.clone()).unwrap_or_default();
                    *position = Some(next_offset);
                    polled.assigned.push(Assigned { partition, next_offset, metadata });
                }
            }
            self.membership.generation = generation;
            self.seek(polled)?;
        }
        self.seen = Some(changes);
        Ok(())
    }

    /// Finds the row where the earliest of our positions lies, and the gaps before it.
    fn seek(&mut self, polled: &mut Polled) -> Result<(), LogError> {
        let before = |_: i64, starts: &[i64]| {
            starts.iter().zip(&self.positions).all(|(start, ours)| ours.is_none_or(|p| *start <= p))
        };
        let Some(row) = self.rows.bisect(Topic::Raw, before)? else { return Ok(()) };
        self.cursor = row;
        let starts = self.rows.batch(row)?.map(|batch| batch.starts).unwrap_or_default();
        for (partition, (start, position)) in (0..).zip(starts.into_iter().zip(&mut self.positions))
        {
            if let Some(position) = position.as_mut().filter(|position| **position < start) {
                // A group that never committed begins at the earliest record: no gap, no loss.
                let known = polled.assigned.iter_mut().find(|known| known.partition == partition);
                match known {
                    Some(known) if known.next_offset == 0 && known.metadata.is_empty() => {
                        known.next_offset = start;
                    }
                    _ => polled.gaps.push(Gap { partition, offsets: *position..start }),
                }
                *position = start;
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        limits: PollLimits,
        polled: &mut Polled,
        bytes: &mut usize,
    ) -> Result<(), LogError> {
        while polled.records.len() < limits.records && *bytes < limits.bytes {
            let Some(batch) = self.rows.batch(self.cursor)? else {
                return self.catch_up(polled);
            };
            self.cursor = batch.id + 1;
            let first = polled.records.len();
            let positions = &mut self.positions;
            let wanted = |partition: u32, offset: i64| match &mut positions[partition as usize] {
                Some(position) if *position <= offset => {
                    *position = offset + 1;
                    true
                }
                _ => false,
            };
            self.rows.records(batch, wanted, &mut polled.records)?;
            let values = polled.records[first..].iter().filter_map(|record| record.value.as_ref());
            *bytes += values.map(bytes::Bytes::len).sum::<usize>();
        }
        Ok(())
    }

    /// The row is not there: it is not written yet, or it has expired.
    fn catch_up(&mut self, polled: &mut Polled) -> Result<(), LogError> {
        match self.rows.span(Topic::Raw)? {
            Some((first, _)) if self.cursor < first => self.seek(polled),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Consumer for SqliteConsumer {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, LogError> {
        let mut appended = self.shared.writer.appended();
        let mut until = Instant::now() + limits.wait;
        let (mut polled, mut bytes) = (Polled::default(), 0);
        loop {
            appended.mark_unchanged();
            let first = polled.records.is_empty();
            // What was read before a change of ownership is settled before it is heard of.
            if first {
                self.rebalance(&mut polled)?;
            }
            self.read(limits, &mut polled, &mut bytes)?;
            if first && !polled.records.is_empty() {
                until = Instant::now() + limits.linger;
            }
            let ownership = !polled.assigned.is_empty() || !polled.revoked.is_empty();
            let full = polled.records.len() >= limits.records || bytes >= limits.bytes;
            let left = until.saturating_duration_since(Instant::now());
            if full || ownership || !polled.gaps.is_empty() || left.is_zero() {
                return Ok(polled);
            }
            // Either way the loop looks again; a closed log has no news.
            if let Ok(Err(closed)) = tokio::time::timeout(left, appended.changed()).await {
                return Err(LogError::Unavailable(closed.into()));
            }
        }
    }

    async fn commit(&mut self, transaction: Transaction) -> Result<(), LogError> {
        let mut by_topic: Vec<(Topic, Vec<NewRecord>)> = Vec::new();
        for (topic, record) in transaction.records {
            match by_topic.iter_mut().find(|(known, _)| *known == topic) {
                Some((_, records)) => records.push(record),
                None => by_topic.push((topic, vec![record])),
            }
        }
        let now_ms = now_ms();
        let encode = |(topic, records): (Topic, Vec<NewRecord>)| {
            (topic, chunk::encode(&self.shared.place(topic, records), now_ms))
        };
        let chunks = by_topic.into_iter().map(encode).collect();
        let (group, membership) = (self.group.clone(), self.membership);
        let offsets = transaction.offsets;
        let groups = self.shared.groups.clone();
        let commit =
            |reply| Job::Commit(Commit { group, membership, chunks, offsets, reply }, groups);
        let result = self.shared.ask(commit).await;
        if result.is_err() {
            self.seen = None;
        }
        result
    }
}

impl Drop for SqliteConsumer {
    fn drop(&mut self) {
        self.shared.groups.leave(&self.group, self.membership.member);
    }
}
