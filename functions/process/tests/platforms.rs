//! Records as platforms deliver them, more than once and cut as they like: no number moves.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use futures_util::future::join_all;
use questline_environment::Rulebook;
use questline_process::{Delivered, GROUP, platform};
use questline_runtime::{
    clock::{SystemClock, now_micros},
    config::Env,
};
use questline_stores::{
    Topic,
    declared::bytes,
    log::Head,
    warehouse::{BatchLimits, Claim, Found, LedgerState, Rows, Warehouse, WarehouseError},
};
use questline_warehouse_duckdb::DuckdbWarehouse;
use serde_json::{Value, json};
use support::{Stage, bad, event};
use tower::ServiceExt as _;

fn delivered(stage: &Stage) -> Arc<Delivered> {
    delivered_to(stage, Arc::new(stage.failing()))
}

fn delivered_to(stage: &Stage, warehouse: Arc<dyn Warehouse>) -> Arc<Delivered> {
    let rulebook = Rulebook::read(&Env::of([])).unwrap();
    let (log, metrics, clock) = (stage.log.clone(), stage.metrics.clone(), SystemClock::shared());
    let ask = Arc::new(stage.warehouse.clone());
    Arc::new(Delivered::new(rulebook, log, warehouse, ask, metrics, clock, GROUP))
}

/// Headers as Lambda writes them: bytes are signed.
fn headers() -> Value {
    let bytes = |text: &str| text.bytes().map(|byte| byte.cast_signed()).collect::<Vec<i8>>();
    let received_at = (now_micros() / 1_000).to_string();
    json!([{"app_id": bytes("app")}, {"received_at": bytes(&received_at)}, {"ingest": bytes("é")}])
}

fn record(offset: i64, value: &str) -> Value {
    json!({
        "topic": "game-events-raw", "partition": 3, "offset": offset, "timestamp": 1_795_435_200_000_i64,
        "timestampType": "CREATE_TIME", "key": BASE64_STANDARD.encode("u"),
        "value": BASE64_STANDARD.encode(value), "headers": headers()
    })
}

fn of_lambda(records: &[Value]) -> Value {
    json!({
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:eu-west-1:111122223333:cluster/c/7d8a-1",
        "bootstrapServers": "b-1.example:9098",
        "records": { "game-events-raw-3": records }
    })
}

async fn invoke(delivered: &Arc<Delivered>, event: Value) -> Value {
    invoke_within(delivered, event, Duration::from_secs(60)).await
}

async fn invoke_within(delivered: &Arc<Delivered>, event: Value, left: Duration) -> Value {
    let answer = platform::invoked(delivered.clone(), event, left).await.unwrap();
    serde_json::to_value(answer).unwrap()
}

fn nothing_failed() -> Value {
    json!({ "batchItemFailures": [] })
}

/// Everything that counts rows.
async fn numbers(stage: &Stage) -> String {
    let numbers = "SELECT
        (SELECT count(*) FROM events_unique),
        (SELECT CAST(sum(events) AS BIGINT) FROM events_1min),
        (SELECT count(*) FROM letters),
        (SELECT CAST(sum(read) AS BIGINT) FROM ledger_minutes),
        (SELECT CAST(sum(accepted) AS BIGINT) FROM ledger_minutes),
        (SELECT CAST(sum(dead_lettered) AS BIGINT) FROM ledger_minutes),
        (SELECT count(*) FROM ledger_residue WHERE hop IN ('process', 'warehouse') AND residue <> 0)";
    stage.rows(numbers).await
}

#[tokio::test]
async fn a_batch_that_comes_again_whole_or_split_changes_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let delivered = delivered(&stage);
    let records: Vec<_> = (0..20)
        .map(|n| {
            let id = format!("e-{n}");
            record(n, &if n % 5 == 4 { bad(&id) } else { event(&id) })
        })
        .collect();
    assert_eq!(invoke(&delivered, of_lambda(&records)).await, nothing_failed());
    let once = numbers(&stage).await;
    assert_eq!(once, "[[16,16,4,20,16,4,0]]");
    let told = stage.metrics.text();
    assert!(told.contains("questline_ledger_residue{hop=\"warehouse\"} 0"), "{told}");
    invoke(&delivered, of_lambda(&records)).await;
    for part in records.chunks(7) {
        invoke(&delivered, of_lambda(part)).await;
    }
    assert_eq!(numbers(&stage).await, once);
    assert_eq!(stage.rows("SELECT count(*) FROM events WHERE counted").await, "[[0]]");
    assert_eq!(stage.records(Topic::Enriched).await, 16 * 3, "at least once");
}

#[tokio::test]
async fn no_record_makes_a_batch_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let delivered = delivered(&stage);
    let mut no_headers = record(1, &event("no-headers"));
    no_headers.as_object_mut().unwrap().remove("headers");
    let mut tombstone = record(2, "");
    tombstone["value"] = Value::Null;
    let mut no_key = record(3, &event("no-key"));
    no_key.as_object_mut().unwrap().remove("key");
    let mut odd = record(4, &event("odd"));
    odd["headers"][2]["ingest"] = json!([255, -1, 0]);
    odd["headers"].as_array_mut().unwrap().push(json!({"empty": null}));
    let mut plain = record(5, "");
    plain["value"] = json!("not base64!");
    let mut decoded = record(6, "");
    decoded["value"] = json!({"already": "decoded"});
    let spoilt = record(7, &event("spoilt"));
    let mut bare = record(8, "");
    bare["value"] = json!(BASE64_URL_SAFE_NO_PAD.encode(event("bare")));
    let mut timeless = record(9, &event("timeless"));
    timeless["timestamp"] = Value::Null;
    // Neither a warehouse nor a broker holds such times.
    let mut far = record(10, &event("far"));
    far["timestamp"] = json!(now_micros() / 1_000 + 7_200_000);
    far["headers"][1]["received_at"] = json!(b"-9223372036854775");
    let records = [no_headers, tombstone, no_key, odd, plain, decoded, spoilt, bare, timeless, far];
    assert_eq!(invoke(&delivered, of_lambda(&records)).await, nothing_failed());
    let verdicts = "SELECT source_offset, event_id FROM events
        UNION ALL SELECT source_offset, reason FROM events_dlq ORDER BY 1";
    let expected = json!([
        [1, "missing_app"],
        [2, "malformed_json"],
        [3, "no-key"],
        [4, "odd"],
        [5, "malformed_json"],
        [6, "missing_field"],
        [7, "warehouse_refused"],
        [8, "bare"],
        [9, "timeless"],
        [10, "far"]
    ]);
    assert_eq!(stage.rows(verdicts).await, expected.to_string());
    let (mut produced, mut latest) = (0, 0);
    let all: Vec<u32> = (0..Topic::Enriched.partitions()).collect();
    let mut visit = |head: &Head| {
        produced += 1;
        latest = head.timestamp_ms.max(latest);
    };
    stage.log.scan(Topic::Enriched, &all, 0, &mut visit).await.unwrap();
    assert_eq!(produced, 5);
    assert!(latest < now_micros() / 1_000 + 3_600_000, "brokers take it: {latest}");
}

#[tokio::test]
async fn a_warehouse_that_is_away_makes_the_batch_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let delivered = delivered(&stage);
    let records = [record(11, &event("b")), record(12, &event("c"))];
    stage.writes.before.store(2, Ordering::SeqCst);
    assert_eq!(invoke(&delivered, of_lambda(&records)).await, nothing_failed(), "waited out");
    let retries = || stage.metrics.process_retries.get();
    assert_eq!(retries(), 2, "an alarm looks at them");
    stage.writes.before.store(1_000, Ordering::SeqCst);
    let left = Duration::from_secs(4);
    let failed = invoke_within(&delivered, of_lambda(&records), left).await;
    assert!(retries() > 3, "and at a batch that comes again: {}", retries());
    let first = json!({"itemIdentifier": {"partition": "game-events-raw-3", "offset": 11}});
    assert_eq!(failed, json!({ "batchItemFailures": [first] }));
    stage.writes.before.store(0, Ordering::SeqCst);
    assert_eq!(invoke(&delivered, of_lambda(&records)).await, nothing_failed());
    assert_eq!(numbers(&stage).await, "[[2,2,0,2,2,0,0]]");
}

#[tokio::test]
async fn a_pub_sub_message_and_an_array_are_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let delivered = delivered(&stage);
    let push = async |body: &Value| {
        let request = Request::post("/process").body(Body::from(body.to_string())).unwrap();
        platform::routes(delivered.clone()).oneshot(request).await.unwrap().status()
    };
    let attributes = json!({
        "kafka.topic": "game-events-raw", "kafka.partition": "5", "kafka.offset": "77",
        "kafka.timestamp": "1795435200000", "app_id": "app",
        "received_at": (now_micros() / 1_000).to_string()
    });
    let message = json!({
        "subscription": "projects/p/subscriptions/process",
        "deliveryAttempt": 1,
        "message": {
            "messageId": "1", "publishTime": "2026-11-23T12:00:00Z", "orderingKey": "u",
            "data": BASE64_STANDARD.encode(event("pushed")), "attributes": attributes
        }
    });
    assert_eq!(push(&message).await, StatusCode::OK);
    assert_eq!(push(&message).await, StatusCode::OK);
    assert_eq!(push(&json!([record(1, &event("a")), record(2, &bad("b"))])).await, StatusCode::OK);
    assert_eq!(numbers(&stage).await, "[[2,2,1,3,2,1,0]]");
    let position = "SELECT DISTINCT source_partition, source_offset FROM events
        WHERE event_id = 'pushed'";
    assert_eq!(stage.rows(position).await, "[[5,77]]");
    let mut nameless = message.clone();
    nameless["message"]["attributes"] = json!({});
    assert_eq!(push(&nameless).await, StatusCode::BAD_REQUEST);
    stage.writes.before.store(1_000, Ordering::SeqCst);
    assert_eq!(push(&message).await, StatusCode::SERVICE_UNAVAILABLE);
}

/// What one call counts takes nothing from what another counts at the same time.
#[tokio::test]
async fn calls_at_once_have_one_brake() {
    const RECORDS: i64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let delivered = delivered(&stage);
    let call = |n: i64| {
        let dead = |k: i64| record(n * RECORDS + k, &bad(&format!("{n}-{k}")));
        let event = of_lambda(&(0..RECORDS).map(dead).collect::<Vec<_>>());
        let delivered = delivered.clone();
        async move { invoke(&delivered, event).await }
    };
    for answer in join_all((0..20).map(call)).await {
        assert_eq!(answer, nothing_failed());
    }
    let last = of_lambda(&[record(9_000, &bad("last"))]);
    assert_eq!(invoke(&delivered, last).await, nothing_failed());
    let held = "SELECT held FROM events_dlq WHERE source_offset = 9000";
    assert_eq!(stage.rows(held).await, "[[true]]");
}

/// A warehouse that takes only so many bytes of a table at a time.
struct Narrow(DuckdbWarehouse);

const NARROW: usize = 8 << 10;

#[async_trait]
impl Warehouse for Narrow {
    fn batch(&self) -> BatchLimits {
        BatchLimits { table_bytes: NARROW, ..BatchLimits::default() }
    }

    async fn write(&self, rows: Rows) -> Result<(), WarehouseError> {
        if rows.tables.iter().any(|(_, rows)| bytes(rows) > NARROW) {
            return Err(WarehouseError::TooLarge);
        }
        self.0.write(rows).await
    }

    async fn recover(&self, log_id: &str, claims: &[Claim]) -> Result<Vec<Found>, WarehouseError> {
        self.0.recover(log_id, claims).await
    }

    async fn ledger(&self, log_id: &str) -> Result<LedgerState, WarehouseError> {
        self.0.ledger(log_id).await
    }
}

/// A platform cuts batches as it likes; what the warehouse takes at a time is another's affair.
#[tokio::test]
async fn a_batch_that_is_too_large_for_the_warehouse_is_written_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let delivered = delivered_to(&stage, Arc::new(Narrow(stage.warehouse.clone())));
    let records: Vec<_> = (0..60).map(|n| record(n, &event(&format!("e-{n}")))).collect();
    assert_eq!(invoke(&delivered, of_lambda(&records)).await, nothing_failed());
    assert_eq!(numbers(&stage).await, "[[60,60,0,60,60,0,0]]");
    assert_eq!(stage.records(Topic::Enriched).await, 60, "each part once");
}

/// What the published types of these events read, we read.
#[test]
fn the_published_types_read_the_same_event() {
    let event = of_lambda(&[record(1, "a"), record(2, "b")]);
    let theirs: aws_lambda_events::kafka::KafkaEvent = serde_json::from_value(event).unwrap();
    let theirs = &theirs.records["game-events-raw-3"][1];
    assert_eq!((theirs.partition, theirs.offset), (3, 2));
    assert_eq!(theirs.value.as_deref(), Some("Yg=="));
    assert_eq!(theirs.headers[2]["ingest"], [-61, -87]);
}
