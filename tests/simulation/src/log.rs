//! A log with the semantics of Kafka, as one process sees it: slow, away, short of answers.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use questline_events::window::Identities;
use questline_stores::{
    Headers, NewRecord, Record, Topic,
    log::{Appender, Consumer, Deliveries, Fate, Head, Log, LogError, Reader, Reporter},
};

use crate::{
    group::{Group, Member},
    life::Life,
    plant::Plant,
    world::World,
};

/// A producer gives up on a record after this long.
const DELIVERY: Duration = Duration::from_secs(30);
/// Partitions on one of three brokers go and fail together.
const BROKERS: u32 = 3;

/// What the brokers have.
#[derive(Default)]
pub struct Brokers {
    topics: BTreeMap<&'static str, Vec<Vec<Record>>>,
    pub(crate) groups: BTreeMap<String, Group>,
}

impl Brokers {
    /// The records of a topic, by partition.
    pub fn topic(&mut self, topic: Topic) -> &mut Vec<Vec<Record>> {
        let partitions = topic.partitions() as usize;
        self.topics.entry(topic.name()).or_insert_with(|| vec![Vec::new(); partitions])
    }

    pub(crate) fn keep(&mut self, topic: Topic, partition: u32, record: NewRecord, now_ms: i64) {
        let records = &mut self.topic(topic)[partition as usize];
        let offset = i64::try_from(records.len()).unwrap_or(i64::MAX);
        let timestamp_ms = record.timestamp_ms.unwrap_or(now_ms);
        let NewRecord { key, value, headers, .. } = record;
        records.push(Record { partition, offset, timestamp_ms, key, value, headers });
    }
}

/// The log as one process has it.
#[derive(Clone)]
pub struct SimLog {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
    brokers: Arc<Mutex<Brokers>>,
    /// The name under which its members join.
    instance: String,
    id: String,
}

impl SimLog {
    /// The log of some brokers, as a process of a name sees it.
    #[must_use]
    pub fn new(
        world: &Arc<World>,
        brokers: &Arc<Mutex<Brokers>>,
        life: &Arc<Life>,
        instance: &str,
    ) -> Self {
        let (world, brokers, life) = (world.clone(), brokers.clone(), life.clone());
        Self { world, life, brokers, instance: instance.to_owned(), id: "simulated".to_owned() }
    }

    /// The same under another id, to be told apart.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    pub(crate) fn brokers(&self) -> MutexGuard<'_, Brokers> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.world.now_micros() / 1_000
    }

    /// The same under another member's name.
    #[must_use]
    pub fn named(mut self, instance: &str) -> Self {
        instance.clone_into(&mut self.instance);
        self
    }

    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    pub(crate) fn place(&self, topic: Topic, record: &NewRecord) -> u32 {
        let hash = record.key.as_ref().map_or_else(
            || self.world.chance.number(0..u64::MAX),
            |key| {
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                hasher.finish()
            },
        );
        let by_hash = || u32::try_from(hash % u64::from(topic.partitions())).unwrap_or(0);
        record.partition.unwrap_or_else(by_hash)
    }
}

/// Records of one append that go to one broker.
struct Produce {
    topic: Topic,
    records: Vec<(usize, u32, NewRecord)>,
    reporter: Arc<Reporter>,
}

impl Produce {
    async fn run(self, log: SimLog) {
        let world = &log.world;
        if world.has(Plant::AnsweredFromMemory) {
            self.report(Fate::Stored);
        }
        log.life.pass().await;
        world.pass(1..30).await;
        // What has not come so far by then, the producer gives up: it may be there or not.
        if !world.reaches(&world.log_up, DELIVERY).await {
            return;
        }
        log.life.pass().await;
        if world.fails(60) {
            return self.report(Fate::Failed);
        }
        self.keep(&log);
        world.pass(1..30).await;
        log.life.pass().await;
        if !world.fails(60) {
            self.report(Fate::Stored);
        }
    }

    fn keep(&self, log: &SimLog) {
        let now_ms = log.now_ms();
        for (_, partition, record) in &self.records {
            if log.world.has(Plant::LostRecord) && log.world.fails(100) {
                continue;
            }
            log.brokers().keep(self.topic, *partition, record.clone(), now_ms);
        }
        let many = i64::try_from(self.records.len()).unwrap_or(i64::MAX);
        log.world.note("kept", &[many]);
    }

    fn report(&self, fate: Fate) {
        for (place, ..) in &self.records {
            self.reporter.report(*place..place + 1, fate);
        }
    }
}

#[async_trait]
impl Appender for SimLog {
    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Deliveries {
        let (reporter, deliveries) = Deliveries::of(records.len());
        if self.life.has_ended() {
            return deliveries;
        }
        let reporter = Arc::new(reporter);
        let mut brokers = BTreeMap::<u32, Vec<_>>::new();
        for (place, record) in records.into_iter().enumerate() {
            let partition = self.place(topic, &record);
            brokers.entry(partition % BROKERS).or_default().push((place, partition, record));
        }
        for records in brokers.into_values() {
            let produce = Produce { topic, records, reporter: reporter.clone() };
            tokio::spawn(produce.run(self.clone()));
        }
        deliveries
    }

    async fn ready(&self) -> Result<(), LogError> {
        self.life.pass().await;
        if self.world.log_up.get() { Ok(()) } else { Err(away()) }
    }
}

/// The log cannot be reached.
pub(crate) fn away() -> LogError {
    LogError::Unavailable("simulated".into())
}

#[async_trait]
impl Reader for SimLog {
    fn log_id(&self) -> &str {
        &self.id
    }

    async fn ends(&self, topic: Topic) -> Result<Vec<i64>, LogError> {
        self.ready().await?;
        self.world.pass(0..5).await;
        self.life.pass().await;
        let end = |records: &Vec<Record>| i64::try_from(records.len()).unwrap_or(i64::MAX);
        Ok(self.brokers().topic(topic).iter().map(end).collect())
    }

    async fn committed(&self, group: &str) -> Result<Vec<Option<i64>>, LogError> {
        self.ready().await?;
        self.world.pass(0..5).await;
        self.life.pass().await;
        let mut brokers = self.brokers();
        let group = brokers.groups.entry(group.to_owned()).or_default();
        Ok(group.committed.iter().map(|committed| Some(committed.as_ref()?.0)).collect())
    }

    async fn scan(
        &self,
        topic: Topic,
        partitions: &[u32],
        since_ms: i64,
        visit: &mut (dyn for<'h> FnMut(&'h Head) + Send),
    ) -> Result<(), LogError> {
        self.ready().await?;
        self.world.pass(1..50).await;
        self.life.pass().await;
        if self.world.fails(20) {
            return Err(away());
        }
        let from_raw = self.world.has(Plant::WindowFromRaw) && topic == Topic::Enriched;
        let shown = if from_raw { Topic::Raw } else { topic };
        let mut brokers = self.brokers();
        for partition in partitions {
            for record in &brokers.topic(shown)[*partition as usize] {
                let (partition, timestamp_ms) = (*partition, record.timestamp_ms);
                let headers =
                    if from_raw { identity(&self.id, record) } else { record.headers.clone() };
                if timestamp_ms >= since_ms {
                    visit(&Head { partition, timestamp_ms, headers });
                }
            }
        }
        Ok(())
    }

    async fn record(&self, partition: u32, offset: i64) -> Result<Option<Record>, LogError> {
        self.ready().await?;
        self.world.pass(0..5).await;
        self.life.pass().await;
        let mut brokers = self.brokers();
        let records = brokers.topic(Topic::Raw).get(partition as usize);
        let place = usize::try_from(offset).ok();
        Ok(records.zip(place).and_then(|(records, place)| records.get(place)).cloned())
    }
}

/// What an enriched record would carry if every record sent were accepted.
fn identity(log_id: &str, record: &Record) -> Headers {
    let value = record.value.as_deref().unwrap_or_default();
    let event: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
    let app = record.headers.get(questline_events::headers::APP_ID).unwrap_or_default();
    let (app, id) = (String::from_utf8_lossy(app), event["id"].as_str().unwrap_or_default());
    let identity = Identities::of_log(log_id).of(&app, id).0.to_be_bytes();
    Headers::new([(questline_events::headers::IDENTITY, &identity[..])])
}

#[async_trait]
impl Log for SimLog {
    fn join(&self, group: &str) -> Result<Box<dyn Consumer>, LogError> {
        Ok(Box::new(Member::join(self.clone(), group, &self.instance)))
    }

    async fn close(&self) {}
}
