//! Every record once, whatever fails between the tables and the log; and what is marked on the way.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use questline_process::lag;
use questline_runtime::CancellationToken;
use questline_stores::Topic;
use support::{Stage, bad, event};

/// Three good events, one sent twice, one bad.
fn batch(name: &str) -> Vec<String> {
    let id = |n: u32| format!("{name}-{n}");
    vec![event(&id(1)), event(&id(2)), bad(&id(3)), event(&id(2)), event(&id(4))]
}

/// What the tables and topics hold after a number of such batches, whatever happened between.
async fn holds(stage: &Stage, batches: i64) {
    let counts = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM events_unique),
        (SELECT CAST(sum(events) AS BIGINT) FROM events_1min), (SELECT count(*) FROM events_dlq),
        (SELECT CAST(sum(duplicate) AS BIGINT) FROM ledger_minutes),
        (SELECT CAST(sum(read) AS BIGINT) FROM ledger_minutes)";
    let n = batches;
    let expected = serde_json::json!([[3 * n, 3 * n, 3 * n, n, n, 5 * n]]);
    assert_eq!(stage.rows(counts).await, expected.to_string());
    assert_eq!(stage.records(Topic::Enriched).await, 3 * n);
    assert_eq!(stage.records(Topic::Dlq).await, n);
}

#[tokio::test]
async fn a_transaction_that_the_log_refuses_leaves_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    for (round, name) in (1..).zip(["a", "b", "c"]) {
        stage.append("app", batch(name)).await;
        stage.commits.before.store(3, Ordering::SeqCst);
        stage.process().await;
        holds(&stage, round).await;
    }
}

#[tokio::test]
async fn a_transaction_whose_answer_is_lost_leaves_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    for (round, name) in (1..).zip(["a", "b", "c"]) {
        stage.append("app", batch(name)).await;
        stage.commits.after.store(1, Ordering::SeqCst);
        stage.process().await;
        holds(&stage, round).await;
    }
    // The window was rebuilt from what was accepted, each time.
    stage.append("app", [event("a-1"), event("b-2"), event("c-4")]).await;
    stage.process().await;
    assert_eq!(stage.rows("SELECT count(*) FROM events").await, "[[9]]");
}

#[tokio::test]
async fn a_batch_that_comes_back_in_parts_leaves_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    for (round, name) in (1..).zip(["a", "b", "c"]) {
        stage.append("app", batch(name)).await;
        // Whole before the fault, in two parts after it.
        stage.commits.before.store(1, Ordering::SeqCst);
        stage.commits.halves.store(1, Ordering::SeqCst);
        stage.process().await;
        holds(&stage, round).await;
    }
}

#[tokio::test]
async fn a_warehouse_that_fails_before_or_after_its_write_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    stage.append("app", batch("a")).await;
    stage.writes.before.store(2, Ordering::SeqCst);
    stage.process().await;
    holds(&stage, 1).await;
    stage.append("app", batch("b")).await;
    stage.writes.after.store(1, Ordering::SeqCst);
    stage.process().await;
    holds(&stage, 2).await;
    assert!(stage.metrics.process_retries.get() >= 3);
}

#[tokio::test]
async fn an_owner_before_us_that_writes_late_is_found_and_nothing_is_twice() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    for (round, name) in (1..).zip(["a", "b"]) {
        stage.append("app", batch(name)).await;
        stage.writes.late.store(1, Ordering::SeqCst);
        stage.process().await;
        holds(&stage, round).await;
    }
}

#[tokio::test]
async fn a_row_that_the_warehouse_refuses_is_a_dead_letter_and_its_siblings_are_rows() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let events: Vec<_> = (0..50)
        .map(|n| event(&if n % 20 == 7 { format!("spoilt-{n}") } else { format!("good-{n}") }))
        .collect();
    stage.append("app", events.clone()).await;
    // Also when the transaction is refused after the tables have the letters.
    stage.commits.before.store(1, Ordering::SeqCst);
    stage.process().await;
    let rows = "SELECT count(*), count_if(event_id LIKE 'spoilt%') FROM events";
    assert_eq!(stage.rows(rows).await, "[[47,0]]");
    let letters = "SELECT reason, decode(raw) FROM events_dlq ORDER BY source_offset";
    let expected = serde_json::json!([
        ["warehouse_refused", events[7]],
        ["warehouse_refused", events[27]],
        ["warehouse_refused", events[47]]
    ]);
    assert_eq!(stage.rows(letters).await, expected.to_string());
    let minutes = "SELECT CAST(sum(events) AS BIGINT) FROM events_1min";
    assert_eq!(stage.rows(minutes).await, "[[47]]");
    assert_eq!((stage.records(Topic::Enriched).await, stage.records(Topic::Dlq).await), (47, 3));
}

#[tokio::test]
async fn the_brake_marks_one_app_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let good = (0..800).map(|n| event(&format!("good-{n}")));
    let events: Vec<_> = good.chain((0..300).map(|n| bad(&format!("bad-{n}")))).collect();
    stage.append("broken", events).await;
    stage.append("sound", [bad("x"), event("y")]).await;
    stage.append("broken", [event("last")]).await;
    stage.process().await;
    // 200 letters of 1,000 events are 20 %: the next one pulls the brake.
    let letters = "SELECT app_id, count_if(held), count(*) FROM events_dlq GROUP BY 1 ORDER BY 1";
    assert_eq!(stage.rows(letters).await, r#"[["broken",100,300],["sound",0,1]]"#);
    let rows = "SELECT app_id, count(*) FROM events GROUP BY 1 ORDER BY 1";
    assert_eq!(stage.rows(rows).await, r#"[["broken",801],["sound",1]]"#);
    assert_eq!(stage.metrics.process_held_letters.get(), 100);
}

#[tokio::test]
async fn records_that_expired_unread_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    stage.append("app", [event("read")]).await;
    stage.process().await;
    stage.append("app", (0..7).map(|n| event(&format!("gone-{n}")))).await;
    stage.append("app", [event("kept")]).await;
    let in_eight_days = questline_runtime::clock::now_micros() / 1_000 + 8 * 86_400_000;
    stage.log.expire(in_eight_days).await.unwrap();
    // Told again, it is not counted again.
    stage.commits.before.store(1, Ordering::SeqCst);
    stage.process().await;
    let ids = "SELECT event_id FROM events ORDER BY source_offset";
    assert_eq!(stage.rows(ids).await, r#"[["read"],["kept"]]"#);
    let expired =
        "SELECT hop, CAST(sum(expired) AS BIGINT) FROM ledger WHERE expired > 0 GROUP BY 1";
    assert_eq!(stage.rows(expired).await, r#"[["log",7]]"#);
    assert_eq!(stage.metrics.process_expired.get(), 7);
}

/// Waits until `/metrics` has this line.
async fn shown(stage: &Stage, line: &str) {
    while !stage.metrics.text().lines().any(|shown| shown == line) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_lag_rises_while_a_batch_waits_for_the_warehouse() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let stop = CancellationToken::new();
    tokio::spawn(lag::watch(stage.log.clone(), stage.metrics.clone(), stop.clone()));
    stage.append("app", batch("a")).await;
    stage.writes.before.store(u32::MAX, Ordering::SeqCst);
    let rises = async {
        shown(&stage, "questline_process_lag 5").await;
        stage.append("app", batch("b")).await;
        shown(&stage, "questline_process_lag 10").await;
        stage.writes.before.store(0, Ordering::SeqCst);
    };
    let rises = tokio::time::timeout(Duration::from_secs(60), rises);
    let (risen, ()) = tokio::join!(rises, stage.process());
    risen.unwrap();
    stop.cancel();
    holds(&stage, 2).await;
}
