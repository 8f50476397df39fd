//! The whole stack on Apache Kafka itself: the processor and the broker are killed with -9, each at
//! random instants, under load.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{path::Path, time::Duration};

use questline_log_kafka::{KafkaLog, Settings};
use questline_stores::{
    Topic,
    log::{Head, Reader as _},
};
use questline_testing::{Kafka, long, seed};
use support::{
    Stack,
    load::{Found, Load},
};

fn start(directory: &Path, kafka: &Kafka) -> Stack {
    Stack::start_with(directory, &["--no-players", "--brokers", &kafka.brokers()])
}

/// Committed records of a topic.
async fn count(log: &KafkaLog, topic: Topic) -> i64 {
    let partitions: Vec<u32> = (0..topic.partitions()).collect();
    let mut seen = 0;
    let mut visit = |_: &Head| seen += 1;
    log.scan(topic, &partitions, 0, &mut visit).await.unwrap();
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let mut kafka = Kafka::start(&folder.path().join("kafka"));
    let mut random = fastrand::Rng::with_seed(seed());
    let kills = if long() { 25 } else { 5 };
    let mut stack = start(&directory, &kafka);
    let (load, senders) = Load::start(&stack);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.u64(500..4_000))).await;
        stack.kill();
        stack = start(&directory, &kafka);
        load.now_at(&stack);
        tokio::time::sleep(Duration::from_millis(random.u64(500..4_000))).await;
        kafka.restart();
    }
    let Found { accepted, letters } = load.check(&stack, senders, kills).await;
    assert!(stack.terminate().success());
    let log = KafkaLog::open(Settings::at(&kafka.brokers())).await.unwrap();
    assert_eq!(count(&log, Topic::Enriched).await, accepted, "what was accepted was produced once");
    assert_eq!(count(&log, Topic::Dlq).await, letters);
}
