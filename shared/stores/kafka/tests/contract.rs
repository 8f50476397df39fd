//! The log port's contract on Apache Kafka itself, and what is this adapter's own.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{
    cell::RefCell,
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use questline_events::limits::{FETCH_QUEUE_BYTES, LETTER_BYTES};
use questline_log_kafka::{KafkaLog, Settings};
use questline_stores::{
    NewRecord, Record, Topic,
    contract::log::{LIMITS, OpenLog, assigned, suite},
    log::{
        Appender as _, Committed, Gap, Log as _, LogError, PollLimits, Reader as _, Transaction,
    },
    replay::Past as _,
};
use questline_testing::Kafka;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{
        AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
        TopicReplication,
    },
    client::DefaultClientContext,
};

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    rdkafka::ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap()
}

/// Topics of the same names, and another log.
async fn anew(settings: &Settings) {
    let admin = admin(&settings.brokers);
    let names = Topic::ALL.map(Topic::name);
    admin.delete_topics(&names, &AdminOptions::new()).await.unwrap();
    // What the controller has deleted, a broker still tells of for a moment.
    let known = |name| {
        let metadata = admin.inner().fetch_metadata(Some(name), Duration::from_secs(10)).unwrap();
        !metadata.topics()[0].partitions().is_empty()
    };
    for _ in 0..1_000 {
        if !names.into_iter().any(known) {
            let made = KafkaLog::create_topics(settings).await.unwrap();
            assert_eq!(made, names);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!("the topics are not deleted");
}

/// Lets whoever appends to the raw topic name a record's time, as some of the contract's cases do.
async fn let_times_be_named(settings: &Settings) {
    const NAME: &str = "message.timestamp.type";
    let (admin, options) = (admin(&settings.brokers), AdminOptions::new());
    let raw = || ResourceSpecifier::Topic(Topic::Raw.name());
    let named = AlterConfig::new(raw()).set(NAME, "CreateTime");
    assert!(admin.alter_configs([&named], &options).await.unwrap().iter().all(Result::is_ok));
    // What the controller has changed, the broker takes up a moment later.
    loop {
        let found = admin.describe_configs([&raw()], &options).await.unwrap().remove(0).unwrap();
        if found.get(NAME).is_some_and(|entry| entry.value.as_deref() == Some("CreateTime")) {
            return tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_of_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings::at(&kafka.brokers());
    let current = RefCell::new(String::new());
    suite(async |name: &str| {
        if *current.borrow() != name {
            anew(&settings).await;
            name.clone_into(&mut current.borrow_mut());
        }
        let log = Arc::new(KafkaLog::open(settings.clone()).await.unwrap());
        if ["records", "positions", "past"].contains(&name) {
            let_times_be_named(&settings).await;
        }
        let joined = log.clone();
        OpenLog {
            appender: log.clone(),
            reader: log.clone(),
            past: Some(log),
            join: Box::new(move |group| joined.join(group).unwrap()),
        }
    })
    .await;
}

/// One machine whose clock is ahead would make the identities of all others old.
#[tokio::test]
async fn raw_records_have_the_brokers_time() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings).await.unwrap();
    let ahead = i64::MAX / 1_000_000;
    let record =
        NewRecord { partition: Some(5), timestamp_ms: Some(ahead), ..NewRecord::default() };
    assert!(log.append(Topic::Raw, vec![record]).all_stored().await);
    let read = log.record(5, 0).await.unwrap().unwrap();
    assert!((1_700_000_000_000..ahead).contains(&read.timestamp_ms), "{read:?}");
}

#[tokio::test]
async fn topics_that_are_not_as_they_are_to_be_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings::at(&kafka.brokers());
    let refusal = async || {
        let refused = KafkaLog::open(settings.clone()).await.err();
        assert!(matches!(refused, Some(LogError::Misconfigured(_))), "{refused:?}");
        refused.map(|why| why.to_string()).unwrap_or_default()
    };
    let why = refusal().await;
    for topic in Topic::ALL {
        assert!(why.contains(&format!("{} does not exist", topic.name())), "{why}");
    }
    let few = NewTopic::new(Topic::Raw.name(), 4, TopicReplication::Fixed(1));
    admin(&settings.brokers).create_topics([&few], &AdminOptions::new()).await.unwrap();
    assert!(matches!(
        KafkaLog::create_topics(&settings).await,
        Err(LogError::Misconfigured(why)) if why.contains("has 4 partitions, and is to have 64")
    ));
    let why = refusal().await;
    assert!(why.contains("game-events-raw has 4 partitions, and is to have 64"), "{why}");
    assert!(!why.contains("does not exist"), "the others were made: {why}");
}

/// One that is added while the log is open is named, too: nobody would read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_too_many_ends_its_member() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings).await.unwrap();
    let admin = admin(&kafka.brokers());
    let more = NewPartitions::new(Topic::Raw.name(), 65);
    let made = admin.create_partitions([&more], &AdminOptions::new()).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    // What the controller has made, a broker tells of a moment later.
    let raw = Some(Topic::Raw.name());
    let known = || admin.inner().fetch_metadata(raw, Duration::from_secs(10)).unwrap();
    while known().topics()[0].partitions().len() < 65 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut consumer = log.join("group").unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let why = loop {
        match consumer.poll(LIMITS).await {
            Err(LogError::Misconfigured(why)) => break why,
            polled => assert!(Instant::now() < until, "{polled:?}"),
        }
    };
    assert!(why.contains("has a partition 64, and is to have 64"), "{why}");
}

/// What is in hand is settled before a newcomer gets its share. A commit failed after that: what came
/// back with the new beginning goes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_while_a_member_begins_anew_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = Arc::new(KafkaLog::open(settings).await.unwrap());
    assert!(log.append(Topic::Raw, vec![NewRecord::default()]).all_stored().await);
    let mut one = log.join("group").unwrap();
    let mut in_hand = Vec::new();
    while in_hand.is_empty() {
        in_hand = one.poll(LIMITS).await.unwrap().records;
    }
    let mut two = log.join("group").unwrap();
    let newcomer = tokio::spawn(async move {
        loop {
            two.poll(LIMITS).await.unwrap();
        }
    });
    // The brokers tell of it with a heartbeat, every 3 s.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let Record { partition, offset, .. } = in_hand[0];
    let committed = Committed { partition, next_offset: offset + 1, metadata: String::new() };
    let first = one.commit(Transaction { records: Vec::new(), offsets: vec![committed] }).await;
    // While members change, a commit may be refused.
    assert!(matches!(first, Ok(()) | Err(LogError::Fenced)), "{first:?}");
    let value = Some(vec![0; LETTER_BYTES + 1].into());
    let too_large = NewRecord { value, ..NewRecord::default() };
    let records = vec![(Topic::Enriched, too_large)];
    assert!(one.commit(Transaction { records, offsets: Vec::new() }).await.is_err());
    let mut owned: BTreeSet<u32> = (0..64).collect();
    for _ in 0..600 {
        let polled = one.poll(LIMITS).await.unwrap();
        owned.retain(|partition| !polled.revoked.contains(partition));
        owned.extend(polled.assigned.iter().map(|assigned| assigned.partition));
        if owned.len() == 32 {
            break;
        }
    }
    newcomer.abort();
    assert_eq!(owned.len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_back_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(folder.path());
    let settings = Settings { instance: Some("one".into()), ..Settings::at(&kafka.brokers()) };
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings).await.unwrap();
    let record = |value: &'static str| NewRecord {
        key: Some("k".into()),
        value: Some(value.into()),
        ..NewRecord::default()
    };
    assert!(log.append(Topic::Raw, vec![record("before")]).all_stored().await);
    let mut consumer = log.join("group").unwrap();
    let mut read = Vec::new();
    while read.is_empty() {
        read = consumer.poll(LIMITS).await.unwrap().records;
    }
    kafka.kill();
    assert!(log.ready().await.is_err());
    let restarting = tokio::task::spawn_blocking(move || {
        kafka.restart();
        kafka
    });
    // A record is kept for 30 s, and nobody is let in by the name of a broker that was killed before its
    // session ends: 9 of them, were it appended at once.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let waiting = log.append(Topic::Raw, vec![record("while it is away")]);
    let _kafka = restarting.await.unwrap();
    assert!(waiting.all_stored().await, "it was kept until the broker came back");
    let after = read[0].offset + 1;
    let offsets = |next_offset| {
        vec![Committed { partition: read[0].partition, next_offset, metadata: "m".into() }]
    };
    // What was in hand when it went may be committed or not: either way nothing is lost or doubled.
    let committed =
        consumer.commit(Transaction { records: Vec::new(), offsets: offsets(after) }).await;
    let mut values = Vec::new();
    let expected = 1 + usize::from(committed.is_err());
    for _ in 0..150 {
        if let Ok(polled) = consumer.poll(LIMITS).await {
            values.extend(polled.records.into_iter().filter_map(|record| record.value));
        }
        if values.len() >= expected {
            break;
        }
    }
    assert_eq!(values.len(), expected, "{values:?}");
    assert_eq!(&values[expected - 1][..], b"while it is away");
    let settled = Transaction { records: Vec::new(), offsets: offsets(after + 1) };
    consumer.commit(settled).await.unwrap();
    let committed: i64 = log.committed("group").await.unwrap().iter().flatten().sum();
    assert_eq!(committed, 2);
}

/// A member that has a batch in hand for long keeps no more meanwhile than a batch may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_during_a_long_batch_is_bounded() {
    const LARGE: usize = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings).await.unwrap();
    let large = |_| NewRecord {
        partition: Some(5),
        value: Some(vec![b'x'; LARGE].into()),
        ..NewRecord::default()
    };
    let expected: Vec<i64> = (0..24).collect();
    assert!(log.append(Topic::Raw, expected.iter().map(large).collect()).all_stored().await);
    let mut consumer = log.join("group").unwrap();
    assigned(&mut *consumer).await;
    let few = PollLimits { records: 1, ..LIMITS };
    let (mut read, mut most) = (Vec::new(), 0);
    while read.len() < expected.len() {
        let records = consumer.poll(few).await.unwrap().records;
        most = most.max(records.len());
        let first = read.is_empty() && !records.is_empty();
        read.extend(records.into_iter().map(|record| record.offset));
        if first {
            // It is at work: without a bound, 20 more would be kept.
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }
    assert_eq!(read, expected, "each one, in order");
    assert!(most * LARGE <= FETCH_QUEUE_BYTES + LARGE, "{most} at a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expired_unread_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings).await.unwrap();
    let records = |from: usize, to: usize| -> Vec<_> {
        let value = |n: usize| Some(n.to_string().into());
        (from..to)
            .map(|n| NewRecord { partition: Some(5), value: value(n), ..NewRecord::default() })
            .collect()
    };
    assert!(log.append(Topic::Raw, records(0, 10)).all_stored().await);
    let mut consumer = log.join("group").unwrap();
    assigned(&mut *consumer).await;
    while consumer.poll(LIMITS).await.unwrap().records.is_empty() {}
    let offsets = vec![Committed { partition: 5, next_offset: 3, metadata: "m".into() }];
    consumer.commit(Transaction { records: Vec::new(), offsets }).await.unwrap();
    drop(consumer);
    let mut expired = TopicPartitionList::new();
    expired.add_partition_offset(Topic::Raw.name(), 5, Offset::Offset(7)).unwrap();
    let admin = admin(&kafka.brokers());
    admin.delete_records(&expired, &AdminOptions::new()).await.unwrap();
    let mut consumer = log.join("group").unwrap();
    let polled = assigned(&mut *consumer).await;
    assert_eq!(polled.gaps, [Gap { partition: 5, offsets: 3..7 }]);
    let mut read = Vec::new();
    while read.len() < 3 {
        read.extend(consumer.poll(LIMITS).await.unwrap().records);
    }
    assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), [7, 8, 9]);
    assert_eq!(log.record(5, 6).await.unwrap(), None, "expired");
    assert_eq!(log.record(5, 7).await.unwrap().as_ref(), read.first());
    for (offsets, kept) in [(6..10, false), (7..10, true), (7..11, false)] {
        let mut all = vec![0..0; Topic::Raw.partitions() as usize];
        all[5] = offsets;
        assert_eq!(log.keeps(&all).await.unwrap(), kept, "{:?}", all[5]);
    }
    let mut newcomer = log.join("another").unwrap();
    assert_eq!(assigned(&mut *newcomer).await.gaps, [], "who never was there has lost nothing");
}

/// A topic made anew has other records under the same offsets: whoever reads the one before ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_ends_its_members() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings.clone()).await.unwrap();
    let record = NewRecord { partition: Some(5), value: Some("v".into()), ..NewRecord::default() };
    assert!(log.append(Topic::Raw, vec![record.clone(); 3]).all_stored().await);
    let mut consumer = log.join("group").unwrap();
    let mut read = 0;
    while read < 3 {
        read += consumer.poll(LIMITS).await.unwrap().records.len();
    }
    anew(&settings).await;
    let again = KafkaLog::open(settings).await.unwrap();
    assert!(again.append(Topic::Raw, vec![record]).all_stored().await);
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        match consumer.poll(LIMITS).await {
            Err(LogError::Misconfigured(why)) => {
                assert!(why.contains("game-events-raw was made anew"), "{why}");
                break;
            }
            Ok(polled) => assert_eq!(polled.records, [], "of another topic"),
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        assert!(Instant::now() < until, "it reads on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_under_one_name_the_later_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let settings = Settings { instance: Some("one".into()), ..Settings::at(&kafka.brokers()) };
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings).await.unwrap();
    let record = NewRecord { value: Some("v".into()), ..NewRecord::default() };
    assert!(log.append(Topic::Raw, vec![record.clone()]).all_stored().await);
    let mut zombie = log.join("group").unwrap();
    let mut read = Vec::new();
    while read.is_empty() {
        read = zombie.poll(LIMITS).await.unwrap().records;
    }
    let settle = || Transaction {
        records: vec![(Topic::Enriched, record.clone())],
        offsets: vec![Committed {
            partition: read[0].partition,
            next_offset: read[0].offset + 1,
            metadata: "m".into(),
        }],
    };
    let mut heir = log.join("group").unwrap();
    let mut again = Vec::new();
    while again.is_empty() {
        again = heir.poll(LIMITS).await.unwrap().records;
    }
    assert_eq!(again[0].offset, read[0].offset);
    heir.commit(settle()).await.unwrap();
    // The zombie has its batch still in hand.
    let refused = zombie.commit(settle()).await;
    assert!(matches!(refused, Err(LogError::Fenced)), "{refused:?}");
    let mut produced = 0;
    let all: Vec<u32> = (0..64).collect();
    log.scan(Topic::Enriched, &all, 0, &mut |_| produced += 1).await.unwrap();
    assert_eq!(produced, 1);
    // It is told that its name is another's, for as long as the other may be one that is gone.
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        match zombie.poll(LIMITS).await {
            Err(LogError::Fenced) => break,
            polled => assert!(Instant::now() < until, "{polled:?}"),
        }
        heir.poll(LIMITS).await.unwrap();
    }
}
