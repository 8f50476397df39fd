//! The whole stack on Apache Kafka itself: the processor and the broker are killed with -9, each at
//! random instants, under load; the broker stands still; its disk is full.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, Instant},
};

use questline_client::Reply;
use questline_events::headers::{APP_ID, KIND};
use questline_log_kafka::{KafkaLog, Settings};
use questline_stores::{
    Headers, NewRecord, Topic,
    log::{Appender as _, Head, Reader as _},
};
use questline_testing::{Kafka, long, seed, skip};
use support::{
    Stack, event,
    load::{Found, Load},
    receipt, said,
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

/// What somebody else writes to the raw topic: each record is answered for, and none stops its
/// partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_records_each_become_a_letter() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    let stack = start(&folder.path().join("data"), &kafka);
    let log = KafkaLog::open(Settings::at(&kafka.brokers())).await.unwrap();
    let app = Headers::new([(APP_ID, &b"local"[..])]);
    let good = event("good");
    let foreign: [(&str, Option<Vec<u8>>, Headers); 8] = [
        ("missing_app", Some(good.clone().into_bytes()), Headers::default()),
        ("malformed_json", None, app.clone()),
        ("malformed_json", Some(Vec::new()), app.clone()),
        ("malformed_json", Some(b"\xff\xfe".to_vec()), app.clone()),
        ("too_large", Some(vec![b' '; 900 << 10]), app.clone()),
        ("not_an_object", Some(b"[1,2]".to_vec()), app.clone()),
        ("missing_field", Some(br#"{"event":"other people's"}"#.to_vec()), app.clone()),
        ("malformed_json", Some(b"ledger?".to_vec()), Headers::new([(KIND, &b"ledger"[..])])),
    ];
    let partition = Some(9);
    let record = |value: Option<Vec<u8>>, headers: Headers| NewRecord {
        partition,
        value: value.map(Into::into),
        headers,
        ..NewRecord::default()
    };
    let mut records: Vec<_> =
        foreign.iter().map(|(_, value, headers)| record(value.clone(), headers.clone())).collect();
    records.push(record(Some(good.into_bytes()), app));
    assert!(log.append(Topic::Raw, records).all_stored().await);
    stack.settle().await;
    let letters = "SELECT reason FROM events_dlq ORDER BY source_offset";
    let expected: Vec<_> = foreign.iter().map(|(reason, ..)| [reason]).collect();
    assert_eq!(stack.rows(letters).await, serde_json::to_string(&expected).unwrap());
    assert_eq!(stack.rows("SELECT event_id FROM events").await, r#"[["good"]]"#);
    assert_eq!(count(&log, Topic::Dlq).await, 8, "the large one too");
}

/// A processor stopped beyond its session, whose successor has gone on, comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_produces_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    let stack = start(&folder.path().join("data"), &kafka);
    let send = async |stack: &Stack, name: &str| {
        let events: Vec<_> = (0..400).map(|n| event(&format!("{name}-{n}"))).collect();
        // What a slow log has deferred is sent again, under the same ids.
        loop {
            let reply = stack.ingest().post(events.join("\n").as_bytes(), None).await.unwrap();
            if receipt(reply).stored == 400 {
                break;
            }
        }
    };
    send(&stack, "before").await;
    stack.settle().await;
    for n in 0..20 {
        send(&stack, &format!("under-way-{n}")).await;
    }
    stack.signal("STOP");
    let heir = start(&folder.path().join("heir"), &kafka);
    heir.settle().await;
    stack.signal("CONT");
    // A transaction that it had begun may take as long as one may be open.
    let ended = stack.ended(Duration::from_secs(150));
    assert!(!ended.success(), "its name is another's: it says so, and ends");
    send(&heir, "after").await;
    heir.settle().await;
    let log = KafkaLog::open(Settings::at(&kafka.brokers())).await.unwrap();
    assert_eq!(count(&log, Topic::Enriched).await, 22 * 400);
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

/// A broker that stands still beyond the deadline has the records all the same: what was answered
/// `deferred` is `late` in the ledger, and no loss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lands_after_its_deadline_is_late_and_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    let stack = start(&folder.path().join("data"), &kafka);
    let ingest = stack.ingest();
    // A broker that has just started is slow at first.
    stack.settle().await;
    assert_eq!(receipt(ingest.post(event("before").as_bytes(), None).await.unwrap()).stored, 1);
    kafka.signal("STOP");
    let events: Vec<_> = (0..30).map(|n| event(&format!("late-{n}"))).collect();
    let deferred = receipt(ingest.post(events.join("\n").as_bytes(), None).await.unwrap());
    assert_eq!((deferred.stored, deferred.deferred), (0, 30));
    kafka.signal("CONT");
    // Its ledger's pages tell of the reports, which come when the broker does.
    let late = "SELECT CAST(sum(late) AS BIGINT) FROM ledger_minutes";
    let started = Instant::now();
    while stack.number(late).await != 30 && started.elapsed() < Duration::from_secs(60) {
        stack.settle().await;
    }
    let minutes = "SELECT CAST(sum(received) AS BIGINT), CAST(sum(stored) AS BIGINT),
        CAST(sum(deferred) AS BIGINT), CAST(sum(late) AS BIGINT), CAST(sum(read) AS BIGINT),
        (SELECT count(*) FROM events) FROM ledger_minutes";
    assert_eq!(stack.rows(minutes).await, "[[31,1,30,30,31,31]]");
    let lost = "SELECT count(*) FROM ledger_residue WHERE residue <> 0";
    assert_eq!(stack.number(lost).await, 0);
}

/// 200 events whose text does not compress.
fn noise(batch: usize) -> (Vec<String>, String) {
    let ids: Vec<_> = (0..200).map(|n| format!("{batch}-{n}")).collect();
    let noisy = |id: &String| {
        let noise: String = (0..40).map(|_| fastrand::u128(..).to_string()).collect();
        event(id).replace(r#""level_id""#, &format!(r#""noise":"{noise}","level_id""#))
    };
    let body = ids.iter().map(noisy).collect::<Vec<_>>().join("\n");
    (ids, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_disk_is_full_defers_and_what_was_acknowledged_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut kafka) = Kafka::start_on_small_disk(&folder.path().join("kafka"), 64) else {
        return skip("full-disk", "user namespaces with mounts are not permitted here");
    };
    let directory = folder.path().join("data");
    let stack = start(&directory, &kafka);
    let ingest = stack.ingest();
    let (mut acknowledged, mut deferred) = (HashSet::new(), 0);
    for batch in 0..1_000 {
        let (ids, body) = noise(batch);
        let Reply::Receipt(receipt, retry_after) =
            ingest.post(body.as_bytes(), None).await.unwrap()
        else {
            unreachable!("a full disk is nobody's fault at the door");
        };
        assert_eq!(receipt.stored + receipt.deferred, 200);
        if receipt.deferred > 0 {
            assert!(retry_after.is_some(), "Retry-After");
            deferred += receipt.deferred;
            break;
        }
        acknowledged.extend(ids);
    }
    assert!(deferred > 0, "64 MB hold all that");
    // A broker that cannot write ends; its administration gives it room, and starts it again. One
    // that could not write its groups down may tell a member that its name is another's: it waits.
    kafka.resize_disk(512);
    kafka.restart();
    let started = Instant::now();
    loop {
        if let Ok(Reply::Receipt(receipt, _)) = ingest.post(event("after").as_bytes(), None).await
            && receipt.stored == 1
        {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "not again: {}", said(&directory));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stack.settle().await;
    let rows: Vec<Vec<String>> =
        serde_json::from_str(&stack.rows("SELECT event_id FROM events").await).unwrap();
    let kept: HashSet<_> = rows.iter().map(|row| row[0].clone()).collect();
    let lost = acknowledged.difference(&kept).count();
    println!("{} acknowledged, {deferred} deferred, {lost} lost", acknowledged.len());
    assert_eq!(lost, 0);
    assert_eq!(kept.len(), rows.len(), "each event once");
}
