//! kill -9 at random instants, under load: nothing acknowledged is lost, nothing comes twice.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::time::Duration;

use questline_log_sqlite::SqliteLog;
use questline_stores::{Topic, log::Reader as _};
use questline_testing::{long, seed, until};
use support::{
    Stack,
    load::{Found, Load},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let mut random = fastrand::Rng::with_seed(seed());
    let kills = if long() { 240 } else { 24 };
    let mut stack = Stack::start(&directory);
    let (load, senders) = Load::start(&stack);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.u64(30..1_500))).await;
        stack.kill();
        stack = Stack::start(&directory);
        load.now_at(&stack);
    }
    let Found { accepted, letters } = load.check(&stack, senders, kills).await;

    assert!(stack.terminate().success());
    let log = until("the log opens", Duration::from_secs(5), || SqliteLog::open(&directory).ok());
    let count = async |topic| log.ends(topic).await.unwrap().iter().sum::<i64>();
    assert_eq!(count(Topic::Enriched).await, accepted, "what was accepted was produced once");
    assert_eq!(count(Topic::Dlq).await, letters);
}
