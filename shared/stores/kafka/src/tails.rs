//! The ends of partitions that hold no record: marks of others' transactions, and what has expired.
//!
//! No message tells of them, so a member would stand before them, and whoever compares what is
//! committed with where the log ends would wait for ever.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use questline_stores::{Topic, log::LogError};
use rdkafka::{Offset, TopicPartitionList, error::KafkaError, message::Message as _};

use crate::{
    client::unavailable,
    membership::Client,
    reader::{Onlooker, bounds_within, is_passing, number},
};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);
/// What is not answered within this time is asked again: meanwhile the member does nothing else.
const PATIENCE: Duration = Duration::from_secs(2);

/// A member that has had no answer for so long is compared with a newcomer.
const UNHEARD: Duration = Duration::from_secs(20);

/// Looks, now and then, whether there is a record before an end.
pub(crate) struct Tails {
    onlooker: Onlooker,
    looked: Instant,
    /// Where we were when we last looked.
    positions: Vec<Option<i64>>,
    /// And where the log ended: by now every broker that could lead a partition knows of that. A new
    /// leader may yet tell an earlier end than the one before it did a moment ago.
    ends: Vec<i64>,
    /// Since when the member has had no answer.
    unheard: Option<Instant>,
}

/// The end of a partition on which there is nothing to be read.
pub(crate) struct Tail {
    pub(crate) partition: u32,
    /// Where we stand.
    pub(crate) position: i64,
    /// What was before this offset has expired.
    pub(crate) kept: i64,
    pub(crate) end: i64,
}

impl Tails {
    pub(crate) fn new(onlooker: Onlooker) -> Self {
        let (positions, ends) = (Vec::new(), Vec::new());
        Self { onlooker, looked: Instant::now(), positions, ends, unheard: None }
    }

    /// Whether a newcomer is answered and the member is not: when a broker that is only starting
    /// knows of none, librdkafka may forget for good where it could ask.
    pub(crate) fn is_deaf(&mut self) -> bool {
        if self.unheard.is_none_or(|since| since.elapsed() < UNHEARD) {
            return false;
        }
        self.unheard = None;
        let newcomer = self.onlooker.from(&TopicPartitionList::new());
        newcomer.is_ok_and(|newcomer| {
            bounds_within(PATIENCE, &newcomer, Topic::Raw, Offset::End).is_ok()
        })
    }

    /// The ends without a record of partitions on which we have stood still since the last look.
    pub(crate) fn look(
        &mut self,
        consumer: &Client,
        positions: &[Option<i64>],
    ) -> Result<Vec<Tail>, LogError> {
        if self.looked.elapsed() < PERIOD {
            return Ok(Vec::new());
        }
        self.looked = Instant::now();
        let before = std::mem::replace(&mut self.positions, positions.to_vec());
        let bounds = |bound| bounds_within(PATIENCE, consumer, Topic::Raw, bound);
        let ends = bounds(Offset::End);
        let since = self.unheard.unwrap_or(self.looked);
        self.unheard = ends.is_err().then_some(since);
        let ends = ends.map_err(unavailable)?;
        let ends = std::mem::replace(&mut self.ends, ends);
        let mut tails = Vec::new();
        for (partition, ((position, before), end)) in
            (0..).zip(positions.iter().zip(before).zip(ends))
        {
            if let Some(position) = *position
                && before == Some(position)
                && position < end
            {
                tails.push(Tail { partition, position, kept: position, end });
            }
        }
        if tails.is_empty() {
            return Ok(tails);
        }
        let first_kept = bounds(Offset::Beginning).map_err(unavailable)?;
        let mut from = TopicPartitionList::with_capacity(tails.len());
        for tail in &mut tails {
            let first = first_kept.get(tail.partition as usize).copied().unwrap_or_default();
            tail.kept = first.clamp(tail.position, tail.end);
            let (partition, kept) = (number(tail.partition), Offset::Offset(tail.kept));
            from.add_partition_offset(Topic::Raw.name(), partition, kept).map_err(unavailable)?;
        }
        // A partition that is read to its end has nothing up to where it ended long before.
        let empty = self.read(&from)?;
        tails.retain(|tail| empty.get(&number(tail.partition)) == Some(&true));
        Ok(tails)
    }

    /// Whether the end comes first on each partition, or a record.
    fn read(&self, from: &TopicPartitionList) -> Result<HashMap<i32, bool>, LogError> {
        let (client, started) = (self.onlooker.from(from)?, Instant::now());
        let mut empty = HashMap::new();
        while empty.len() < from.count() && started.elapsed() < PATIENCE {
            let (partition, ended) = match client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => (message.partition(), false),
                Some(Err(KafkaError::PartitionEOF(partition))) => (partition, true),
                Some(Err(error)) if !is_passing(&error) => return Err(unavailable(error)),
                Some(Err(_)) | None => continue,
            };
            empty.entry(partition).or_insert(ended);
        }
        Ok(empty)
    }
}
