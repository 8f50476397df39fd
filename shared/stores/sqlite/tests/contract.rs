//! The log port's contract, and what is this adapter's own.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use questline_log_sqlite::{FILE, SqliteLog};
use questline_stores::{
    NewRecord, Topic,
    contract::log::{OpenLog, suite},
    log::{Appender, Committed, Log, LogError, PollLimits, Reader, Transaction},
};

const LIMITS: PollLimits = PollLimits {
    records: 1_000,
    bytes: 1 << 20,
    wait: Duration::from_millis(50),
    linger: Duration::ZERO,
};

fn value(text: &'static str, timestamp_ms: i64) -> NewRecord {
    NewRecord {
        partition: Some(0),
        timestamp_ms: Some(timestamp_ms),
        value: Some(Bytes::from_static(text.as_bytes())),
        ..NewRecord::default()
    }
}

/// The log of a crashed process may take a moment to let go of its lock.
fn open(directory: &std::path::Path) -> SqliteLog {
    questline_testing::until("the log opens", Duration::from_secs(5), || {
        SqliteLog::open(directory).ok()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_of_a_log() {
    let folder = tempfile::tempdir().unwrap();
    suite(async |name: &str| {
        let log = open(&folder.path().join(name));
        let joined = log.clone();
        OpenLog {
            appender: Arc::new(log.clone()),
            reader: Arc::new(log.clone()),
            past: Some(Arc::new(log)),
            join: Box::new(move |group| joined.join(group).unwrap()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let _log = SqliteLog::open(folder.path()).unwrap();
    let Err(LogError::InUse(place)) = SqliteLog::open(folder.path()) else {
        panic!("a second owner")
    };
    assert!(folder.path().ends_with(&place) || place.ends_with(folder.path().to_str().unwrap()));
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), [b'x'; 40_000]).unwrap();
    assert!(matches!(SqliteLog::open(folder.path()), Err(LogError::Damaged { .. })));
}

#[tokio::test]
async fn expired_records_are_a_gap_and_offsets_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(folder.path()).unwrap();
    let week_ms = i64::try_from(Topic::Raw.retention().as_millis()).unwrap();
    for n in 0..200 {
        assert!(log.append(Topic::Raw, vec![value("v", n)]).all_stored().await);
    }
    let mut consumer = log.join("group").unwrap();
    let read = consumer.poll(LIMITS).await.unwrap().records;
    let next_offset = read[9].offset + 1;
    let committed = Committed { partition: 0, next_offset, metadata: String::new() };
    consumer.commit(Transaction { records: vec![], offsets: vec![committed] }).await.unwrap();
    drop(consumer);

    log.expire(week_ms + 150).await.unwrap();
    let mut consumer = log.join("group").unwrap();
    let polled = consumer.poll(LIMITS).await.unwrap();
    assert_eq!(polled.gaps.len(), 1);
    assert_eq!((polled.gaps[0].partition, polled.gaps[0].offsets.clone()), (0, 10..150));
    assert_eq!((polled.records.len(), polled.records[0].offset), (50, 150));
    assert_eq!(log.record(0, 149).await.unwrap(), None);
    assert_eq!(log.record(0, 150).await.unwrap().as_ref(), polled.records.first());

    log.expire(week_ms * 2).await.unwrap();
    assert!(log.append(Topic::Raw, vec![value("v", 0)]).all_stored().await);
    assert_eq!(log.ends(Topic::Raw).await.unwrap()[0], 201, "the last row keeps the offsets");
}

#[tokio::test]
async fn a_closed_log_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(folder.path()).unwrap();
    let deliveries = log.append(Topic::Raw, vec![value("before", 0)]);
    log.close().await;
    assert!(deliveries.all_stored().await, "what waits is committed");
    assert!(!log.append(Topic::Raw, vec![value("after", 0)]).all_stored().await);
    assert!(log.ready().await.is_err());
}

#[tokio::test]
async fn what_finds_no_room_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(folder.path()).unwrap();
    let large = Bytes::from(vec![b'x'; 70 << 20]);
    let record = NewRecord { value: Some(large), ..NewRecord::default() };
    assert!(!log.append(Topic::Raw, vec![record]).all_stored().await);
    assert!(log.append(Topic::Raw, vec![value("small", 0)]).all_stored().await);
}
