//! Dead letters come back: a release that condemns good events, mended, and every number is right.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{path::Path, process::Command, time::Duration};

use questline_client::ClientError;
use questline_testing::Kafka;
use serde_json::{Map, Value, json};
use support::{Stack, binary, event, faulty_registry, receipt};

/// A stack on a directory, with a registry of its own, and on a Kafka where one is given.
fn start(directory: &Path, registry: Option<&str>, kafka: Option<&Kafka>) -> Stack {
    let mut command = Command::new(binary("questline-stack"));
    command.args(["--no-players", "--port", "0", "--data-dir"]).arg(directory);
    if let Some(registry) = registry {
        command.env("QUESTLINE_REGISTRY", registry);
    }
    if let Some(kafka) = kafka {
        command.args(["--brokers", &kafka.brokers()]);
    }
    Stack::spawn(command, directory)
}

async fn send(stack: &Stack, events: &[String]) {
    let reply = stack.ingest().post(events.join("\n").as_bytes(), None).await.unwrap();
    assert_eq!(receipt(reply).stored, events.len());
}

fn request(members: Value) -> Map<String, Value> {
    members.as_object().unwrap().clone()
}

async fn reprocess(stack: &Stack, members: Value) -> Value {
    let report = stack.operator().reprocess(&request(members)).await.unwrap();
    stack.settle().await;
    report
}

/// What is there once, and that the ledger knows of all of it.
async fn holds(stack: &Stack, events: i64, waiting: i64) {
    let counts = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM events_unique),
        (SELECT CAST(sum(events) AS BIGINT) FROM events_1min), (SELECT count(*) FROM letters)";
    let expected = json!([[events, events, events, waiting]]);
    assert_eq!(stack.rows(counts).await, expected.to_string());
    let residue = "SELECT hop, residue FROM ledger_residue WHERE residue <> 0";
    assert_eq!(stack.rows(residue).await, "[]");
    let runs = "SELECT CAST(sum(stored - read) AS BIGINT) FROM ledger_minutes
        WHERE source LIKE 'reprocess-%'";
    assert!(["[[0]]", "[[null]]"].contains(&stack.rows(runs).await.as_str()));
}

async fn a_faulty_release_is_mended(folder: &Path, kafka: Option<&Kafka>) {
    let directory = folder.join("data");
    let faulty = start(&directory, Some(&faulty_registry(folder)), kafka);
    // A broker that has just started is slow at first.
    faulty.settle().await;
    let good: Vec<_> = (0..1_500).map(|n| event(&format!("good-{n}"))).collect();
    for events in good.chunks(300) {
        send(&faulty, events).await;
    }
    let broken = [r#"{"id":"broken","user_id":"u","type":1001}"#.to_owned()];
    send(&faulty, &broken).await;
    faulty.settle().await;
    let letters = "SELECT count_if(held) > 0, count(*) FROM events_dlq";
    assert_eq!(faulty.rows(letters).await, "[[true,1501]]", "the brake is pulled");
    assert!(faulty.terminate().success());

    let mended = start(&directory, None, kafka);
    mended.settle().await;
    // A client that was told nothing of it sends one of them again: it is accepted now.
    send(&mended, &good[..1]).await;
    mended.settle().await;
    let report = reprocess(&mended, json!({"dry_run": true})).await;
    assert_eq!(report["would_pass"], 1_500);
    assert_eq!(report["still_fail"][0]["why"], "missing_field");
    assert_eq!(report["still_fail"][0]["detail"], "timestamp");
    holds(&mended, 1, 1_501).await;

    let held = mended.number("SELECT count_if(held) FROM letters").await;
    let report = reprocess(&mended, json!({"held": true})).await;
    assert_eq!(report["brought_back"], held);
    let report = reprocess(&mended, json!({"reason": "invalid_parameters"})).await;
    assert_eq!(report["brought_back"], 1_501 - held, "the broken one came and died in between");
    holds(&mended, 1_500, 1).await;
    let received = "SELECT count(*) FROM events JOIN events_dlq ON event_id = raw->>'id'
        WHERE events.received_at = events_dlq.received_at AND event_id <> 'good-0'";
    let received = received.replace("raw->>'id'", "json_extract_string(decode(raw), 'id')");
    assert_eq!(mended.number(&received).await, 1_499, "received_at stays");
    let minutes = "SELECT count(DISTINCT window_start) FROM events_1min";
    assert!(mended.number(minutes).await >= 1);

    // Nothing waits any more but what is broken, and that comes back to die, until it is parked.
    for attempt in 2..=5 {
        let report = reprocess(&mended, json!({})).await;
        assert_eq!(report["brought_back"], 1);
        let attempts = "SELECT max(attempts), count(DISTINCT letter) FROM letters";
        assert_eq!(mended.rows(attempts).await, json!([[attempt, 1]]).to_string());
    }
    let report = reprocess(&mended, json!({})).await;
    assert_eq!((&report["brought_back"], &report["parked"]), (&json!(0), &json!(1)));
    holds(&mended, 1_500, 1).await;
    assert!(mended.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_release_is_mended_on_the_embedded_log() {
    let folder = tempfile::tempdir().unwrap();
    a_faulty_release_is_mended(folder.path(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_release_is_mended_on_kafka() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    a_faulty_release_is_mended(folder.path(), Some(&kafka)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixes_are_made_on_the_way_and_an_id_stays() {
    let folder = tempfile::tempdir().unwrap();
    let stack = start(&folder.path().join("data"), None, None);
    let odd = |id: &str| event(id).replace("level_id", "lvl");
    let flat = event("c").replace(r#"{"level_id":"7"}"#, "7");
    send(&stack, &[odd("a"), odd("b"), flat]).await;
    stack.settle().await;
    let refused = stack.operator().reprocess(&request(json!({"set": {"id": "x"}}))).await;
    assert!(
        matches!(&refused, Err(ClientError::Refused { status: 400, detail }) if detail.contains("`id`"))
    );
    let fix = json!({
        "reason": "invalid_parameters",
        "rename": {"parameters.lvl": "parameters.level_id"},
        "set": {"platform": "ios"}
    });
    let report = reprocess(&stack, fix).await;
    assert_eq!(report["brought_back"], 2);
    assert_eq!(report["unfixable"][0]["why"], "`parameters` is not an object");
    let rows = "SELECT event_id, level_id, platform FROM events ORDER BY 1";
    assert_eq!(stack.rows(rows).await, r#"[["a","7","ios"],["b","7","ios"]]"#);
    holds(&stack, 2, 1).await;

    // By the command, too.
    let output = Command::new(binary("questline"))
        .args(["reprocess", "--dry-run", "--data-dir"])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("0 letters would pass"), "{said}");
    assert!(said.contains("invalid_parameters"), "{said}");
}

/// Two runs of which neither knows of the other: the copies are told apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_is_gone_over_again_and_nothing_is_twice() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let faulty = start(&directory, Some(&faulty_registry(folder.path())), None);
    let good: Vec<_> = (0..2_000).map(|n| event(&format!("good-{n}"))).collect();
    for events in good.chunks(400) {
        send(&faulty, events).await;
    }
    faulty.settle().await;
    assert!(faulty.terminate().success());
    for round in 0..4 {
        let stack = start(&directory, None, None);
        stack.settle().await;
        let operator = stack.operator();
        let running = tokio::spawn(async move {
            let request = request(json!({"rate": 100}));
            operator.reprocess(&request).await
        });
        // The first is killed when something of it was judged, later ones at any moment.
        while stack.number("SELECT count(*) FROM events_reprocessed").await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(150 * round)).await;
        stack.kill();
        running.await.unwrap().unwrap_err();
    }
    let stack = start(&directory, None, None);
    stack.settle().await;
    let report = reprocess(&stack, json!({})).await;
    assert!(report["brought_back"].as_u64().unwrap() < 2_000, "earlier runs did something");
    let counts =
        "SELECT (SELECT count(*) FROM events), (SELECT count(DISTINCT event_id) FROM events),
        (SELECT CAST(sum(events) AS BIGINT) FROM events_1min), (SELECT count(*) FROM letters)";
    assert_eq!(stack.rows(counts).await, "[[2000,2000,2000,0]]");
    let residue = "SELECT count(*) FROM ledger_residue WHERE residue <> 0 AND state = 'proved'";
    assert_eq!(stack.number(residue).await, 0);
}
