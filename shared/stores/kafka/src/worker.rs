//! A member of a group, in a thread of its own.
//!
//! The brokers take a member for dead that polls too seldom, and a batch may take long; so the
//! thread goes on polling between batches, and keeps what it gets for the next one. Partitions are
//! not paused for that, as librdkafka would throw away what it has fetched ahead, and fetch it again:
//! only when as much is kept as a batch may have.
//! A change of ownership is taken note of when the brokers tell it, and takes effect when the
//! processor polls again: the batch in hand is committed or abandoned before its partitions go, and
//! the others wait for that as long as `max.poll.interval.ms` allows.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use questline_events::limits::{FETCH_QUEUE_BYTES, STREAM_BATCH_BYTES, STREAM_BATCH_RECORDS};
use questline_stores::{
    Topic,
    log::{Assigned, Gap, LogError, PollLimits, Polled, Transaction},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer as _, ConsumerGroupMetadata},
    message::Message as _,
};

use crate::{
    client::{part_with, unavailable},
    convert::Gathered,
    member::Request,
    membership::{Change, Changes, Client, Membership, all_known, let_go, passing},
    reader::{Onlooker, PATIENCE, bounds, committed, number},
    settings::SESSION,
    tails::{Tail, Tails},
    transaction::Committer,
};

/// Between two polls while the processor has a batch in hand.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// One look for a message.
const LOOK: Duration = Duration::from_millis(50);

/// A member, and what it has in hand.
pub(crate) struct Worker {
    consumer: Client,
    membership: Membership,
    /// Since when the brokers have taken us for one that another has replaced.
    outlived: Option<Instant>,
    tails: Tails,
    committer: Committer,
    /// The next offset of each partition; none where it is not ours.
    positions: Vec<Option<i64>>,
    /// What is not ours any more, and nobody was told.
    revoked: Vec<u32>,
    /// What the next poll gives.
    gathered: Gathered,
    gaps: Vec<Gap>,
    /// As what member the batch in hand was polled.
    in_hand: Option<Arc<ConsumerGroupMetadata>>,
    /// The brokers are asked for no more until the next poll.
    paused: bool,
    /// A record came that is before where we are: perhaps the topic was made anew.
    doubted: bool,
    /// Nothing in hand counts any more: begin again where the group has committed.
    anew: bool,
}

/// However it ends: a client that waits for its partitions to be given up would wait for good.
impl Drop for Worker {
    fn drop(&mut self) {
        let_go(&self.consumer);
    }
}

impl Worker {
    pub(crate) fn begin(membership: Membership, group: &str) -> Result<Self, LogError> {
        let (settings, context) = (&membership.settings, &membership.context);
        Ok(Self {
            consumer: membership.begin()?,
            outlived: None,
            tails: Tails::new(Onlooker::new(settings.clone(), context.clone())),
            committer: Committer::new(settings.clone(), context.clone(), group),
            membership,
            positions: vec![None; Topic::Raw.partitions() as usize],
            revoked: Vec::new(),
            gathered: Gathered::default(),
            gaps: Vec::new(),
            in_hand: None,
            paused: false,
            doubted: false,
            anew: false,
        })
    }

    pub(crate) fn run(mut self, inbox: &mpsc::Receiver<Request>) {
        loop {
            match inbox.recv_timeout(KEEP_ALIVE) {
                Ok(Request::Poll(limits, reply)) => {
                    let polled = self.poll(limits);
                    self.anew |= polled.is_err();
                    if let Err(polled) = reply.send(polled) {
                        // Nobody has what nobody waited for.
                        self.anew = true;
                        self.revoked.extend(polled.into_iter().flat_map(|polled| polled.revoked));
                    }
                }
                Ok(Request::Commit(transaction, reply)) => {
                    let result = self.commit(transaction);
                    self.anew |= result.is_err();
                    _ = reply.send(result);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.keep_alive(),
                // Dropped, it leaves the group.
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn changes(&self) -> &Changes {
        &self.consumer.context().role
    }

    fn poll(&mut self, limits: PollLimits) -> Result<Polled, LogError> {
        // What librdkafka has of it lies beside it: a batch is smaller than the embedded log's.
        let limits = PollLimits {
            records: limits.records.min(STREAM_BATCH_RECORDS),
            bytes: limits.bytes.min(STREAM_BATCH_BYTES),
            ..limits
        };
        self.in_hand = None;
        let mut polled = Polled::default();
        if self.consumer.client().fatal_error().is_some() {
            self.join_again(&mut polled)?;
        } else if self.tails.is_deaf() {
            tracing::warn!("kafka.deaf");
            self.replace(&mut polled)?;
        }
        self.pause(false)?;
        self.committer.begin()?;
        if self.anew {
            self.gathered = Gathered::default();
            self.gaps.clear();
        }
        let patience = if self.gathered.len() == 0 { limits.wait } else { limits.linger };
        let mut until = Instant::now() + patience;
        loop {
            let before = self.gathered.len();
            // What was read before a change of ownership is settled before it takes effect.
            if before == 0 {
                self.change_owners(&mut polled)?;
            }
            let ownership = !polled.assigned.is_empty() || !self.revoked.is_empty();
            let full = before >= limits.records || self.gathered.bytes() >= limits.bytes;
            let left = until.saturating_duration_since(Instant::now());
            if full || ownership || (before > 0 && self.has_news()) {
                break;
            }
            self.look(left.min(LOOK))?;
            // The time is up, and there is nothing more at hand.
            if left.is_zero() && self.gathered.len() == before {
                break;
            }
            if before == 0 && self.gathered.len() > 0 {
                until = Instant::now() + limits.linger;
            }
        }
        if self.doubted {
            self.membership.is_same_topic(&self.consumer)?;
            self.doubted = false;
        }
        let behind = self.gathered.len() >= limits.records || self.gathered.bytes() >= limits.bytes;
        if !behind && !self.anew && polled.assigned.is_empty() && !self.has_news() {
            self.pass_tails(&mut polled);
        }
        polled.gaps.append(&mut self.gaps);
        polled.revoked = std::mem::take(&mut self.revoked);
        polled.records = std::mem::take(&mut self.gathered).into_records();
        let Polled { records, gaps, passed, .. } = &polled;
        if !(records.is_empty() && gaps.is_empty() && passed.is_empty()) {
            self.in_hand = self.consumer.group_metadata().map(Arc::new);
        }
        Ok(polled)
    }

    /// Goes on beyond ends of partitions where there is no record. What cannot be asked now is asked
    /// the next time.
    fn pass_tails(&mut self, polled: &mut Polled) {
        let tails = match self.tails.look(&self.consumer, &self.positions) {
            Ok(tails) => tails,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "kafka.tails");
                return;
            }
        };
        for Tail { partition, position, kept, end } in tails {
            if let Some(Some(at)) = self.positions.get_mut(partition as usize) {
                *at = end;
            }
            if position < kept {
                self.gaps.push(Gap { partition, offsets: position..kept });
            }
            if kept < end {
                polled.passed.push(Gap { partition, offsets: kept..end });
            }
        }
    }

    /// The brokers say that our name is another's. Whoever has it stays, and a new producer of ours
    /// would fence it. But brokers that could not write their groups down, as with a full disk, say
    /// so of one that is gone: then the name is free when that one's session has ended.
    fn join_again(&mut self, polled: &mut Polled) -> Result<(), LogError> {
        let since = *self.outlived.get_or_insert_with(|| {
            tracing::warn!("kafka.outlived");
            Instant::now()
        });
        if self.membership.is_taken(&self.consumer)? {
            if since.elapsed() > SESSION + PATIENCE {
                tracing::error!("kafka.fenced");
                return Err(LogError::Fenced);
            }
            thread::sleep(KEEP_ALIVE);
            return Err(LogError::Unavailable("another has this instance's name".into()));
        }
        self.replace(polled)
    }

    /// Goes on with another client.
    fn replace(&mut self, polled: &mut Polled) -> Result<(), LogError> {
        let next = self.membership.begin()?;
        let_go(&self.consumer);
        part_with(std::mem::replace(&mut self.consumer, next));
        (self.gathered, self.anew, self.outlived) = (Gathered::default(), false, None);
        self.paused = false;
        self.gaps.clear();
        let ours = self.ours();
        self.give_up(&ours, polled);
        Ok(())
    }

    /// Looks for a message.
    fn look(&mut self, patience: Duration) -> Result<(), LogError> {
        let message = match self.consumer.poll(patience) {
            None => return Ok(()),
            Some(Err(error)) => return passing(error),
            Some(Ok(message)) => message,
        };
        if self.anew || self.has_news() {
            // While a change of owners waits, it may be another's.
            self.anew = true;
            return Ok(());
        }
        let partition = message.partition().unsigned_abs();
        let Some(Some(position)) = self.positions.get_mut(partition as usize) else {
            return Ok(());
        };
        let (expected, offset) = (*position, message.offset());
        if offset < expected {
            tracing::warn!(partition, offset, expected, "kafka.before");
            self.doubted = true;
            return Ok(());
        }
        *position = offset + 1;
        self.gathered.push(&message);
        drop(message);
        if offset > expected {
            // Others' transactions leave holes too: only what the topic no longer has is lost.
            let kept = self.first_kept()?;
            let until = kept.get(partition as usize).map_or(offset, |kept| offset.min(*kept));
            if until > expected {
                self.gaps.push(Gap { partition, offsets: expected..until });
            }
        }
        Ok(())
    }

    fn first_kept(&self) -> Result<Vec<i64>, LogError> {
        bounds(&self.consumer, Topic::Raw, Offset::Beginning)
    }

    fn has_news(&self) -> bool {
        !self.changes().heard().is_empty()
    }

    /// Lets the changes that were heard of take effect, and begins anew where that is due.
    fn change_owners(&mut self, polled: &mut Polled) -> Result<(), LogError> {
        while let Some(change) = self.next_change()? {
            let partitions: Vec<u32> =
                change.partitions.elements().iter().map(|e| e.partition().unsigned_abs()).collect();
            let result = if change.gained {
                self.take(&partitions, polled)
            } else {
                self.give_up(&partitions, polled);
                self.consumer.incremental_unassign(&change.partitions).map_err(unavailable)
            };
            if let Err(error) = result {
                // It is heard of again.
                self.changes().heard().push_front(change);
                return Err(error);
            }
            self.anew |= change.lost;
        }
        // Whoever is out of the group claims nothing: what is ours is told when we are back.
        if self.anew && self.changes().knows(&self.consumer) {
            self.anew = false;
            self.begin_anew(polled)?;
        }
        Ok(())
    }

    /// Before one begins anew, all news is to be heard: the new beginning would be taken for the
    /// answer. What else comes does not count any more.
    fn next_change(&self) -> Result<Option<Change>, LogError> {
        while self.anew && !self.has_news() {
            match self.consumer.poll(Duration::ZERO) {
                None => break,
                Some(Err(error)) => passing(error)?,
                Some(Ok(_)) => {}
            }
        }
        Ok(self.changes().heard().pop_front())
    }

    fn ours(&self) -> Vec<u32> {
        let held = |(partition, at): (u32, &Option<i64>)| at.is_some().then_some(partition);
        (0..).zip(&self.positions).filter_map(held).collect()
    }

    fn give_up(&mut self, partitions: &[u32], polled: &mut Polled) {
        for partition in partitions {
            if let Some(position) = self.positions.get_mut(*partition as usize)
                && position.take().is_some()
            {
                self.revoked.push(*partition);
            }
        }
        // What came back a moment ago, as after a commit that failed, is gone all the same.
        polled.assigned.retain(|assigned| !partitions.contains(&assigned.partition));
        polled.gaps.retain(|gap| !partitions.contains(&gap.partition));
        polled.passed.retain(|passed| !partitions.contains(&passed.partition));
    }

    fn take(&mut self, partitions: &[u32], polled: &mut Polled) -> Result<(), LogError> {
        all_known(partitions)?;
        let starts = self.starts(partitions, polled)?;
        self.consumer.incremental_assign(&starts).map_err(unavailable)
    }

    /// Where the group goes on, and what has expired before it came there.
    fn starts(
        &mut self,
        partitions: &[u32],
        polled: &mut Polled,
    ) -> Result<TopicPartitionList, LogError> {
        let mut starts = TopicPartitionList::with_capacity(partitions.len());
        if partitions.is_empty() {
            return Ok(starts);
        }
        self.membership.is_same_topic(&self.consumer)?;
        let (found, kept) = (committed(&self.consumer, partitions)?, self.first_kept()?);
        for element in found.elements() {
            let partition = element.partition().unsigned_abs();
            let first = kept.get(partition as usize).copied().unwrap_or(0);
            // A group that never committed begins at the earliest record: no gap, no loss.
            let next_offset = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => {
                    if first > 0 {
                        polled.passed.push(Gap { partition, offsets: first..first });
                    }
                    first
                }
            };
            if next_offset < first {
                polled.gaps.push(Gap { partition, offsets: next_offset..first });
            }
            let start = Offset::Offset(next_offset.max(first));
            starts
                .add_partition_offset(Topic::Raw.name(), number(partition), start)
                .map_err(unavailable)?;
            if let Some(position) = self.positions.get_mut(partition as usize) {
                *position = Some(next_offset.max(first));
            }
            let metadata = element.metadata().to_owned();
            polled.assigned.push(Assigned { partition, next_offset, metadata });
        }
        Ok(starts)
    }

    /// Goes back to where the group has committed, on all partitions that are ours.
    fn begin_anew(&mut self, polled: &mut Polled) -> Result<(), LogError> {
        let ours = self.ours();
        if ours.is_empty() {
            return Ok(());
        }
        *polled = Polled::default();
        let starts = self.starts(&ours, polled)?;
        if self.consumer.assignment_lost() {
            // Others have them: what follows would be taken for the answer to a loss that was not heard
            // of yet, and for a claim.
            self.give_up(&ours, polled);
            return Ok(());
        }
        self.revoked.extend(ours);
        // Out and in again: a seek would leave what was fetched ahead in the queue.
        let assigned = self.consumer.assignment().map_err(unavailable)?;
        self.consumer.incremental_unassign(&assigned).map_err(unavailable)?;
        self.consumer.incremental_assign(&starts).map_err(unavailable)
    }

    fn commit(&mut self, transaction: Transaction) -> Result<(), LogError> {
        let Some(polled_as) = self.in_hand.take() else { return Err(LogError::Fenced) };
        // The brokers refuse a member of an older generation. Where a newer one was announced and
        // waits for us, the partitions are ours until we say so.
        let news = self.has_news();
        let member =
            if news { self.consumer.group_metadata().map(Arc::new) } else { Some(polled_as) };
        let member = member.ok_or(LogError::Fenced)?;
        // Asked after that: the brokers do not ask who it is that has no name.
        let out = self.consumer.assignment_lost() || !self.changes().knows(&self.consumer);
        if out || self.changes().heard().iter().any(|change| change.lost) {
            return Err(LogError::Fenced);
        }
        self.committer.commit(transaction, &member)?;
        // What was polled may be committed in steps.
        self.in_hand = Some(member);
        Ok(())
    }

    /// Has the brokers send no more of what is ours, or go on.
    fn pause(&mut self, paused: bool) -> Result<(), LogError> {
        if paused == self.paused {
            return Ok(());
        }
        let assigned = self.consumer.assignment().map_err(unavailable)?;
        let done =
            if paused { self.consumer.pause(&assigned) } else { self.consumer.resume(&assigned) };
        done.map_err(unavailable)?;
        self.paused = paused;
        Ok(())
    }

    /// The processor is at work: heartbeats and news go on.
    fn keep_alive(&mut self) {
        self.committer.tick();
        let (records, bytes) = (self.gathered.len(), self.gathered.bytes());
        let full = records >= STREAM_BATCH_RECORDS || bytes >= FETCH_QUEUE_BYTES;
        let looked = self.pause(full).and_then(|()| self.look(Duration::ZERO));
        if let Err(error) = looked {
            tracing::debug!(error = &error as &dyn std::error::Error, "kafka.member");
            self.anew = true;
        }
    }
}
