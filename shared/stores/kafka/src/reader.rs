//! The onlooker's side: ends, committed offsets, and heads. Every call asks the brokers and blocks.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use questline_stores::{
    Headers, Record, Topic,
    log::{Head, LogError},
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Message as _},
};

use crate::{
    client::{Context, part_with, sign_in, unavailable},
    convert::{Gathered, headers},
    settings::Settings,
};

/// How long a question to the brokers may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// A reader that gets no further for so long gives up: a transaction that a dead process left open
/// ends before that.
const STALLED: Duration = Duration::from_secs(60);

pub(crate) type Client = BaseConsumer<Context>;

/// Asks the brokers, for any group.
pub(crate) struct Onlooker {
    settings: Settings,
    context: Context,
    clients: Mutex<HashMap<String, Arc<Client>>>,
}

/// The group of no member, in whose name is asked what no group has to do with.
const NOBODY: &str = "questline.onlooker";

impl Onlooker {
    pub(crate) fn new(settings: Settings, context: Context) -> Self {
        Self { settings, context, clients: Mutex::default() }
    }

    /// A client that asks in the name of a group.
    fn asking(&self, group: &str) -> Result<Arc<Client>, LogError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match clients.get(group) {
            Some(client) => client.clone(),
            None => {
                let mut config = self.settings.reader(group);
                if group == NOBODY {
                    // Where a partition ends, whatever a transaction still holds back.
                    config.set("isolation.level", "read_uncommitted");
                }
                let client = Arc::new(self.create(&config)?);
                clients.insert(group.to_owned(), client.clone());
                client
            }
        };
        // Tokens are renewed while a client is polled; it has no records to give.
        _ = client.poll(Duration::ZERO);
        Ok(client)
    }

    /// Asks a question. A client that has no answer is not asked again: it may have forgotten for good
    /// where it could ask.
    fn ask<T>(
        &self,
        group: &str,
        question: impl FnOnce(&Client) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let answer = question(&*self.asking(group)?);
        if answer.is_err() {
            let gone = self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
            if let Some(gone) = gone {
                part_with(gone);
            }
        }
        answer
    }

    /// What a client is told that reads by itself, and is to hear where partitions end.
    fn ending(&self) -> ClientConfig {
        let mut config = self.settings.reader(NOBODY);
        config.set("enable.partition.eof", "true");
        config
    }

    fn create(&self, config: &ClientConfig) -> Result<Client, LogError> {
        let client: Client =
            config.create_with_context(self.context.clone()).map_err(unavailable)?;
        sign_in(&self.context.token, client.client());
        Ok(client)
    }

    /// The offset after the last record of each partition.
    pub(crate) fn ends(&self, topic: Topic) -> Result<Vec<i64>, LogError> {
        self.ask(NOBODY, |client| bounds(client, topic, Offset::End))
    }

    /// The offset that a group has committed on each partition of the raw topic.
    pub(crate) fn committed(&self, group: &str) -> Result<Vec<Option<i64>>, LogError> {
        let partitions: Vec<u32> = (0..Topic::Raw.partitions()).collect();
        let found = self.ask(group, |client| committed(client, &partitions))?;
        Ok(by_partition(&found, partitions.len()))
    }

    /// Shows heads up to where the topic ends now; what a transaction still holds back is waited
    /// for.
    pub(crate) fn scan(
        &self,
        topic: Topic,
        partitions: &[u32],
        since_ms: i64,
        show: &mut dyn FnMut(Head),
    ) -> Result<(), LogError> {
        let client = self.create(&self.ending())?;
        let ends = self.ends(topic)?;
        let settled = |stable: &[i64]| {
            partitions.iter().all(|partition| {
                let partition = *partition as usize;
                stable.get(partition) >= ends.get(partition)
            })
        };
        let started = Instant::now();
        while !settled(&bounds(&client, topic, Offset::End)?) {
            if started.elapsed() > STALLED {
                return Err(stalled());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let found = self.times(topic, partitions, since_ms)?;
        let mut from = TopicPartitionList::new();
        for start in found.elements() {
            if let Offset::Offset(_) = start.offset() {
                from.add_partition_offset(topic.name(), start.partition(), start.offset())
                    .map_err(unavailable)?;
            }
        }
        client.assign(&from).map_err(unavailable)?;
        read_to_end(&client, from.count(), since_ms, show)
    }

    /// The record of the raw topic at a position.
    pub(crate) fn record(&self, partition: u32, offset: i64) -> Result<Option<Record>, LogError> {
        let kept = |bound| {
            let bounds = self.ask(NOBODY, |client| bounds(client, Topic::Raw, bound))?;
            Ok(bounds.get(partition as usize).copied())
        };
        let (first, end) = (kept(Offset::Beginning)?, kept(Offset::End)?);
        if first.is_none_or(|first| offset < first) || end.is_none_or(|end| offset >= end) {
            return Ok(None);
        }
        // One record is looked for: what follows it is not fetched ahead.
        let client = self.create(self.ending().set("queued.min.messages", "1"))?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(Topic::Raw.name(), number(partition), Offset::Offset(offset))
            .and_then(|()| client.assign(&from))
            .map_err(unavailable)?;
        first_record(&client, offset)
    }

    /// The first offset of a moment or later; none where there is no such record.
    fn times(
        &self,
        topic: Topic,
        partitions: &[u32],
        since_ms: i64,
    ) -> Result<TopicPartitionList, LogError> {
        let mut times = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            times
                .add_partition_offset(topic.name(), number(*partition), Offset::Offset(since_ms))
                .map_err(unavailable)?;
        }
        self.ask(NOBODY, |client| {
            patiently(|| sound(client.offsets_for_times(times.clone(), PATIENCE)?))
        })
    }

    /// Where a moment begins on each partition; its end where nothing is younger.
    pub(crate) fn offsets_at(&self, topic: Topic, since_ms: i64) -> Result<Vec<i64>, LogError> {
        let partitions: Vec<u32> = (0..topic.partitions()).collect();
        // First the ends: what comes in between is younger.
        let ends = self.ends(topic)?;
        let found = by_partition(&self.times(topic, &partitions, since_ms)?, ends.len());
        Ok(found.into_iter().zip(ends).map(|(found, end)| found.unwrap_or(end)).collect())
    }

    /// Whether nothing of some offsets has expired, and no open transaction holds any of them back.
    pub(crate) fn keeps(&self, topic: Topic, offsets: &[Range<i64>]) -> Result<bool, LogError> {
        let firsts = self.ask(NOBODY, |client| bounds(client, topic, Offset::Beginning))?;
        let ends = bounds(&self.create(&self.ending())?, topic, Offset::End)?;
        let mut partitions = offsets.iter().zip(firsts.iter().zip(&ends));
        Ok(partitions.all(|(offsets, (first, end))| {
            offsets.is_empty() || (*first <= offsets.start && offsets.end <= *end)
        }))
    }

    /// A client that reads from some offsets on, and is told where partitions end.
    pub(crate) fn from(&self, offsets: &TopicPartitionList) -> Result<Client, LogError> {
        let client = self.create(&self.ending())?;
        client.assign(offsets).map_err(unavailable)?;
        Ok(client)
    }
}

/// How long nothing may be heard.
pub(crate) struct Patience(Instant);

impl Default for Patience {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Patience {
    pub(crate) fn heard(&mut self) {
        self.0 = Instant::now();
    }

    pub(crate) fn lasts(&self) -> Result<(), LogError> {
        if self.0.elapsed() > STALLED { Err(stalled()) } else { Ok(()) }
    }
}

/// The first record that comes, if it is the one of that offset: what a transaction left there, or
/// what expired meanwhile, is none.
fn first_record(client: &Client, offset: i64) -> Result<Option<Record>, LogError> {
    let asked = Instant::now();
    while asked.elapsed() < PATIENCE {
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.offset() == offset => {
                let mut gathered = Gathered::default();
                gathered.push(&message);
                return Ok(gathered.into_records().pop());
            }
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            Some(Err(error)) if !is_passing(&error) => return Err(unavailable(error)),
            Some(Err(_)) | None => {}
        }
    }
    Err(stalled())
}

fn read_to_end(
    client: &Client,
    partitions: usize,
    since_ms: i64,
    show: &mut dyn FnMut(Head),
) -> Result<(), LogError> {
    let (mut ended, mut patience) = (HashSet::new(), Patience::default());
    while ended.len() < partitions {
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                patience.heard();
                let head = head(&message);
                if head.timestamp_ms >= since_ms {
                    show(head);
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => _ = ended.insert(partition),
            Some(Err(error)) if !is_passing(&error) => return Err(unavailable(error)),
            Some(Err(_)) | None => {}
        }
        patience.lasts()?;
    }
    Ok(())
}

fn stalled() -> LogError {
    unavailable(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))
}

/// One bound of every partition of a topic.
pub(crate) fn bounds<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: Topic,
    bound: Offset,
) -> Result<Vec<i64>, LogError> {
    patiently(|| bounds_within(PATIENCE, client, topic, bound))
}

/// The same, asked once, in one request to each broker: librdkafka takes these two for moments.
pub(crate) fn bounds_within<C: ConsumerContext>(
    patience: Duration,
    client: &BaseConsumer<C>,
    topic: Topic,
    bound: Offset,
) -> KafkaResult<Vec<i64>> {
    let mut asked = TopicPartitionList::with_capacity(topic.partitions() as usize);
    for partition in 0..topic.partitions() {
        asked.add_partition_offset(topic.name(), number(partition), bound)?;
    }
    let found = sound(client.offsets_for_times(asked, patience)?)?;
    let bounds = by_partition(&found, topic.partitions() as usize);
    Ok(bounds.into_iter().map(Option::unwrap_or_default).collect())
}

fn by_partition(found: &TopicPartitionList, partitions: usize) -> Vec<Option<i64>> {
    let mut offsets = vec![None; partitions];
    for element in found.elements() {
        let place = usize::try_from(element.partition()).ok();
        if let (Some(slot), Offset::Offset(offset)) =
            (place.and_then(|place| offsets.get_mut(place)), element.offset())
        {
            *slot = Some(offset);
        }
    }
    offsets
}

/// A partition as librdkafka counts them.
pub(crate) fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// What a group has committed on some partitions of the raw topic, with its metadata.
pub(crate) fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: &[u32],
) -> Result<TopicPartitionList, LogError> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked.add_partition(Topic::Raw.name(), number(*partition));
    }
    patiently(|| sound(client.committed_offsets(asked.clone(), PATIENCE)?))
}

/// Asks again while brokers come back, for as long as one question may take, and while they find
/// their roles, for as long as that may take after a start.
pub(crate) fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> Result<T, LogError> {
    let started = Instant::now();
    loop {
        match ask() {
            Err(error)
                if is_passing(&error)
                    && started.elapsed() < if is_away(&error) { PATIENCE } else { STALLED } =>
            {
                std::thread::sleep(Duration::from_millis(100));
            }
            answered => return answered.map_err(unavailable),
        }
    }
}

/// An answer in which no partition has an error of its own.
fn sound(found: TopicPartitionList) -> KafkaResult<TopicPartitionList> {
    for element in found.elements() {
        element.error()?;
    }
    Ok(found)
}

fn head(message: &BorrowedMessage<'_>) -> Head {
    let mut block = Vec::new();
    headers(message, &mut block);
    Head {
        partition: message.partition().unsigned_abs(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        headers: Headers::from_block(block.into()),
    }
}

/// Nobody answers, or there is nothing of that name.
fn is_away(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}

/// A broker that is away comes back: whoever waits goes on waiting.
pub(crate) fn is_passing(error: &KafkaError) -> bool {
    is_away(error)
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::NotLeaderForPartition
                    | RDKafkaErrorCode::LeaderNotAvailable
                    | RDKafkaErrorCode::NotCoordinator
                    | RDKafkaErrorCode::CoordinatorLoadInProgress
                    | RDKafkaErrorCode::CoordinatorNotAvailable
                    | RDKafkaErrorCode::NetworkException
                    | RDKafkaErrorCode::UnknownLeaderEpoch
                    | RDKafkaErrorCode::FencedLeaderEpoch
                    // A broker that is only starting knows of nothing yet, not of itself.
                    | RDKafkaErrorCode::Partial
            )
        )
}
