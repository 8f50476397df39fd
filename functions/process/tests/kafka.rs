//! Processing with Apache Kafka as the log: instances that come and go, and a record lost at any hop.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use questline_environment::Rulebook;
use questline_events::{Day, time::text};
use questline_log_kafka::{KafkaLog, Settings};
use questline_process::{
    GROUP, Processor,
    replay::{Replay, Request},
};
use questline_runtime::{
    CancellationToken,
    clock::{SystemClock, now_micros},
    config::Env,
    metrics::Metrics,
};
use questline_stores::{
    Topic,
    log::{Head, Log as _, Reader as _},
};
use questline_testing::{Kafka, long, seed};
use questline_warehouse_duckdb::DuckdbWarehouse;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use support::{Stage, bad, event};
use tokio::task::JoinHandle;

/// Events of one append, each batch with one more that is bad.
const EVENTS: usize = 40;

async fn stage(kafka: &Kafka, directory: &Path) -> Stage {
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    Stage::on(Arc::new(KafkaLog::open(settings).await.unwrap()), directory)
}

/// An instance of processing. All of this test write to one warehouse.
struct Instance {
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Instance {
    async fn start(kafka: &Kafka, warehouse: &DuckdbWarehouse) -> Self {
        let log = Arc::new(KafkaLog::open(Settings::at(&kafka.brokers())).await.unwrap());
        let stop = CancellationToken::new();
        let processor = Processor::new(
            Rulebook::read(&Env::of([])).unwrap(),
            log.clone(),
            Arc::new(warehouse.clone()),
            Arc::new(Metrics::default()),
            SystemClock::shared(),
            stop.clone(),
        );
        let consumer = log.join(GROUP).unwrap();
        Self { stop, running: tokio::spawn(processor.run(consumer)) }
    }

    /// In order, or in the middle of whatever it does.
    async fn end(self, in_order: bool) {
        if in_order {
            self.stop.cancel();
            self.running.await.unwrap().unwrap();
        } else {
            self.running.abort();
            assert!(self.running.await.is_err_and(|error| error.is_cancelled()));
        }
    }
}

/// What only its packing makes small enough for the topic is one letter, and so is the largest that
/// is not packed: neither stops its partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_records_become_letters_that_fit() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    let stage = stage(&kafka, folder.path()).await;
    let foreign: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .set("message.max.bytes", "20000000")
        .set("compression.type", "lz4")
        .create()
        .unwrap();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1_048_000).collect();
    let good = event("good").into_bytes();
    for value in [vec![b' '; 16_000_000], noise, good] {
        let headers = OwnedHeaders::new().insert(Header { key: "app_id", value: Some("app") });
        let record = BaseRecord::<(), _>::to(Topic::Raw.name()).partition(9).headers(headers);
        assert!(foreign.send(record.payload(&value)).is_ok());
        foreign.flush(Duration::from_secs(20)).unwrap();
    }
    stage.process().await;
    let letters = "SELECT reason, octet_length(raw) FROM events_dlq ORDER BY source_offset";
    assert_eq!(stage.rows(letters).await, r#"[["too_large",1048576],["too_large",1048000]]"#);
    assert_eq!(stage.rows("SELECT event_id FROM events").await, r#"[["good"]]"#);
    let log = KafkaLog::open(Settings::at(&kafka.brokers())).await.unwrap();
    assert_eq!(count(&log, Topic::Dlq).await, 2);
}

/// Somebody else's transaction, of good events on some partitions, each of which gets a record and a
/// mark: then the topic ends there.
async fn transact(kafka: &Kafka, stage: &Stage, events: &[(i32, &str)], end: i64) {
    const PATIENCE: Duration = Duration::from_secs(20);
    let mut foreign = ClientConfig::new();
    foreign.set("bootstrap.servers", kafka.brokers()).set("transactional.id", "another");
    let foreign: BaseProducer = foreign.create().unwrap();
    foreign.init_transactions(PATIENCE).unwrap();
    foreign.begin_transaction().unwrap();
    for (partition, id) in events {
        let (good, headers) = (event(id).into_bytes(), OwnedHeaders::new());
        let headers = headers.insert(Header { key: "app_id", value: Some("app") });
        let record = BaseRecord::<(), _>::to(Topic::Raw.name()).partition(*partition);
        assert!(foreign.send(record.headers(headers).payload(&good)).is_ok());
    }
    foreign.flush(PATIENCE).unwrap();
    foreign.commit_transaction(PATIENCE).unwrap();
    // Marks are written after the answer.
    while stage.log.ends(Topic::Raw).await.map_or(0, |ends| ends.iter().sum()) < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a range lacks is lost only where it was a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_transactions_are_no_lost_records_to_a_replay() {
    const DAY: i64 = 86_400 * 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    let stage = stage(&kafka, folder.path()).await;
    transact(&kafka, &stage, &[(5, "a")], 2).await;
    transact(&kafka, &stage, &[(5, "b")], 4).await;
    stage.process().await;
    let log = Arc::new(KafkaLog::open(Settings::at(&kafka.brokers())).await.unwrap());
    // By a clock of tomorrow today can be replayed.
    stage.ahead.store(DAY, Ordering::SeqCst);
    let warehouse = Arc::new(stage.warehouse.clone());
    let replay = Replay::new(stage.rulebook.clone(), log.clone(), log, warehouse, stage.clock());
    let now = now_micros();
    let (from, to) = (text(now - 3_600_000_000), text(Day::of(now + DAY).start()));
    let request = serde_json::json!({ "from": from, "to": to });
    let request: Request = serde_json::from_value(request).unwrap();
    let plan = replay.plan(&request).await.unwrap();
    let report = plan.carry_out(|_| {}).await.unwrap();
    assert_eq!((report.read, report.accepted), (2, 2));
    assert_eq!((report.rows_before, report.rows_after), (2, 2));
    let events = "SELECT source_offset, event_id FROM events ORDER BY 1";
    assert_eq!(stage.rows(events).await, r#"[[0,"a"],[2,"b"]]"#);
}

/// The end of a partition may hold the mark of somebody's transaction, or have expired before anybody
/// read it: either way it is reached, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_without_a_record_are_reached() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    let stage = stage(&kafka, folder.path()).await;
    transact(&kafka, &stage, &[(5, "good"), (9, "good")], 4).await;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
    let mut expired = TopicPartitionList::new();
    expired.add_partition_offset(Topic::Raw.name(), 9, Offset::End).unwrap();
    admin.delete_records(&expired, &AdminOptions::new()).await.unwrap();
    stage.process().await;
    assert_eq!(stage.rows("SELECT event_id FROM events").await, r#"[["good"]]"#);
    assert_eq!(stage.metrics.process_expired.get(), 0);
}

/// Committed records of a topic.
async fn count(log: &KafkaLog, topic: Topic) -> usize {
    let partitions: Vec<u32> = (0..topic.partitions()).collect();
    let mut seen = 0;
    log.scan(topic, &partitions, 0, &mut |_: &Head| seen += 1).await.unwrap();
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_come_and_go_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    let stage = Arc::new(stage(&kafka, folder.path()).await);
    let done = Arc::new(AtomicBool::new(false));
    let (playing, over) = (stage.clone(), done.clone());
    let load = tokio::spawn(async move {
        let mut batches = 0;
        while !over.load(Ordering::Relaxed) {
            let events = (0..EVENTS).map(|n| event(&format!("{batches}-{n}")));
            playing.append("app", events.chain([bad(&format!("bad-{batches}"))])).await;
            batches += 1;
        }
        batches
    });
    let mut random = fastrand::Rng::with_seed(seed());
    let mut instances = vec![Instance::start(&kafka, &stage.warehouse).await];
    for _ in 0..if long() { 25 } else { 5 } {
        instances.push(Instance::start(&kafka, &stage.warehouse).await);
        tokio::time::sleep(Duration::from_millis(random.u64(500..4_000))).await;
        instances.swap_remove(random.usize(..instances.len())).end(random.bool()).await;
        tokio::time::sleep(Duration::from_millis(random.u64(0..1_000))).await;
    }
    done.store(true, Ordering::Relaxed);
    let batches = load.await.unwrap();
    for instance in instances {
        instance.end(true).await;
    }
    stage.process().await;
    let found = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM events_unique),
        (SELECT CAST(sum(events) AS BIGINT) FROM events_1min), (SELECT count(*) FROM events_dlq),
        (SELECT CAST(sum(read) AS BIGINT) FROM ledger_minutes)";
    let events = batches * EVENTS;
    let expected = serde_json::json!([[events, events, events, batches, events + batches]]);
    assert_eq!(stage.rows(found).await, expected.to_string());
    let log = KafkaLog::open(Settings::at(&kafka.brokers())).await.unwrap();
    assert_eq!(count(&log, Topic::Enriched).await, events, "what was accepted was produced once");
    assert_eq!(count(&log, Topic::Dlq).await, batches);
    println!("{events} acknowledged, {events} rows, {batches} letters, none lost, none twice");
}
