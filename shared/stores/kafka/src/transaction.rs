//! One Kafka transaction carries the records produced and the offsets consumed.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use questline_stores::{
    NewRecord, Topic,
    log::{LogError, Transaction},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::{BaseProducer, DeliveryResult, Producer as _, ProducerContext},
};

use crate::{
    client::{Context, is_fenced, part_with, sign_in, unavailable},
    convert::outgoing,
    native::flush,
    settings::Settings,
};

/// One attempt at a step of a transaction.
const STEP: Duration = Duration::from_secs(10);
/// All attempts: a transaction open for longer is ended by the broker.
const DEADLINE: Duration = Duration::from_secs(30);

/// An attempt that has not ended by now never does: librdkafka waits without end for a broker that it
/// has lost sight of.
const NEVER: Duration = Duration::from_secs(15);

/// One attempt to throw all away.
const ABORT: Duration = Duration::from_secs(1);

/// One attempt to send all: between two, the client is polled.
const LOOK: Duration = Duration::from_millis(100);

/// Before a step is repeated.
const PAUSE: Duration = Duration::from_millis(20);

/// Commits transactions, one after the other.
pub(crate) struct Committer {
    settings: Settings,
    context: Context,
    group: String,
    /// None before the first transaction, and after one whose end is not known.
    producer: Option<Arc<Client>>,
}

type Client = BaseProducer<Context<Quiet>>;

/// What becomes of single records is the transaction's fate.
pub(crate) struct Quiet;

impl ProducerContext for Context<Quiet> {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

impl Committer {
    pub(crate) fn new(settings: Settings, context: Context, group: &str) -> Self {
        Self { settings, context, group: group.to_owned(), producer: None }
    }

    /// Ends what this instance left open when it was here last, and fences that one for good.
    pub(crate) fn begin(&mut self) -> Result<(), LogError> {
        if self.producer.is_some() {
            return Ok(());
        }
        let config = self.settings.transactional(&self.group);
        let producer: Client =
            config.create_with_context(self.context.of(Quiet)).map_err(unavailable)?;
        sign_in(&self.context.token, producer.client());
        persevere(|| producer.init_transactions(STEP)).map_err(failure)?;
        self.producer = Some(Arc::new(producer));
        Ok(())
    }

    /// Commits all of it or nothing. After an error it is not known which: the offsets that the
    /// group has committed tell.
    pub(crate) fn commit(
        &mut self,
        transaction: Transaction,
        member: &Arc<ConsumerGroupMetadata>,
    ) -> Result<(), LogError> {
        self.begin()?;
        let Some(producer) = self.producer.take() else { return Err(LogError::Fenced) };
        let result = attempt(&producer, transaction, member);
        let Err(error) = &result else {
            self.producer = Some(producer);
            return Ok(());
        };
        // What cannot be aborted ends when the next one begins.
        if !is_fatal(error)
            && let Err(error) = abort(&producer)
        {
            tracing::debug!(%error, "kafka.abort");
        }
        // There is a next one in any case: when a broker that is only starting knows of none,
        // librdkafka may forget for good where it could send to, and aborts all the same.
        part_with(producer);
        result.map_err(failure)
    }

    /// Lets the client renew its token.
    pub(crate) fn tick(&self) {
        if let Some(producer) = &self.producer {
            producer.poll(Duration::ZERO);
        }
    }
}

fn attempt(
    producer: &Arc<Client>,
    transaction: Transaction,
    member: &Arc<ConsumerGroupMetadata>,
) -> KafkaResult<()> {
    let Transaction { records, offsets: consumed } = transaction;
    producer.begin_transaction()?;
    // The client has copies of its own: ours go before they are sent.
    for (topic, record) in records {
        send(producer, topic, &record)?;
    }
    let mut offsets = TopicPartitionList::with_capacity(consumed.len());
    for committed in &consumed {
        let partition = i32::try_from(committed.partition).unwrap_or(i32::MAX);
        offsets.add_partition_offset(
            Topic::Raw.name(),
            partition,
            Offset::Offset(committed.next_offset),
        )?;
        if let Some(mut element) = offsets.find_partition(Topic::Raw.name(), partition) {
            element.set_metadata(&committed.metadata);
        }
    }
    let started = Instant::now();
    while !flush(producer.client(), LOOK) && started.elapsed() < DEADLINE {
        producer.poll(Duration::ZERO);
    }
    // Nothing is on its way any more, or the time is up: then this says so.
    producer.flush(Duration::ZERO)?;
    persevere(|| send_offsets(producer, &offsets, member))?;
    persevere(|| producer.commit_transaction(STEP))
}

/// In a thread of its own: the call knows no end while it looks for the group's coordinator. One that
/// is given up ends with its client.
fn send_offsets(
    producer: &Arc<Client>,
    offsets: &TopicPartitionList,
    member: &Arc<ConsumerGroupMetadata>,
) -> KafkaResult<()> {
    let (producer, offsets, member) = (producer.clone(), offsets.clone(), member.clone());
    let (reply, answer) = mpsc::channel();
    let call = move || {
        let sent = producer.send_offsets_to_transaction(&offsets, &member, STEP);
        // Whoever gave it up does not listen.
        _ = reply.send(sent);
    };
    let timed_out = KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut);
    match thread::Builder::new().name("kafka-offsets".to_owned()).spawn(call) {
        Ok(_) => answer.recv_timeout(NEVER).unwrap_or(Err(timed_out)),
        Err(_) => Err(timed_out),
    }
}

/// Throws away what was not sent. The client waits until all of that has been heard of, and only who
/// polls it hears: so it is asked for short whiles, and polled in between.
fn abort(producer: &Client) -> KafkaResult<()> {
    persevere(|| {
        let aborted = producer.abort_transaction(ABORT);
        if aborted.is_err() {
            _ = producer.flush(LOOK);
        }
        aborted
    })
}

fn send(producer: &Client, topic: Topic, record: &NewRecord) -> KafkaResult<()> {
    let started = Instant::now();
    loop {
        match producer.send(outgoing(topic.name(), record, ())) {
            Ok(()) => return Ok(()),
            Err((error, _))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                    && started.elapsed() < DEADLINE =>
            {
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Repeats a step that may be repeated.
fn persevere(mut step: impl FnMut() -> KafkaResult<()>) -> KafkaResult<()> {
    let started = Instant::now();
    loop {
        match step() {
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && started.elapsed() < DEADLINE =>
            {
                // Some are said at once.
                thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_fatal())
}

fn failure(error: KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) if is_fenced(code) => {
            tracing::warn!(%error, "kafka.fenced");
            LogError::Fenced
        }
        _ => unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use questline_testing::Kafka;

    use super::*;
    use crate::KafkaLog;

    /// What is thrown away with it was on its way, and nobody hears of it by himself.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_transaction_with_records_on_their_way_is_aborted_soon() {
        let folder = tempfile::tempdir().unwrap();
        let kafka = Kafka::start(folder.path());
        let settings = Settings::at(&kafka.brokers());
        KafkaLog::create_topics(&settings).await.unwrap();
        let mut committer = Committer::new(settings, Context::default(), "group");
        committer.begin().unwrap();
        let producer = committer.producer.as_ref().unwrap();
        producer.begin_transaction().unwrap();
        for partition in 0..64 {
            let partition = Some(partition);
            let record = NewRecord { partition, value: Some("v".into()), ..NewRecord::default() };
            send(producer, Topic::Enriched, &record).unwrap();
        }
        let started = Instant::now();
        abort(producer).unwrap();
        assert!(started.elapsed() < 2 * STEP, "{:?}", started.elapsed());
        producer.begin_transaction().unwrap();
    }
}
