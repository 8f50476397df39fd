//! One lost record is located to its hop and minute, wherever it is lost.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::sync::atomic::Ordering;

use questline_events::{
    headers::{APP_ID, INGEST, RECEIVED_AT},
    ledger::{Counts, Hop, Page},
    time::{MINUTE, minute, text},
};
use questline_runtime::clock::now_micros;
use questline_stores::{Headers, NewRecord, Topic, log::Appender as _};
use serde_json::json;
use support::{Stage, event};

/// What ingest wrote down of ten events, five minutes ago, before it ended in order.
fn page(at: i64, counts: Counts) -> NewRecord {
    NewRecord::of_page(&Page {
        hop: Hop::Ingest,
        boot: "boot".to_owned(),
        seq: 1,
        minute: at,
        complete: true,
        closing: true,
        apps: vec![("app".to_owned(), counts)],
    })
}

fn records(at: i64, events: usize) -> Vec<NewRecord> {
    let received_at = (at / 1_000).to_string();
    let headers = Headers::new([
        (APP_ID, &b"app"[..]),
        (RECEIVED_AT, received_at.as_bytes()),
        (INGEST, b"boot"),
    ]);
    let record = |n| NewRecord {
        key: Some("u".into()),
        value: Some(event(&format!("e-{n}")).into()),
        headers: headers.clone(),
        ..NewRecord::default()
    };
    (0..events).map(record).collect()
}

fn ten() -> Counts {
    Counts { received: 10, stored: 10, ..Counts::default() }
}

/// Every residue that is not 0, after a loss that is planted by `counts`, `stored` or the warehouse.
async fn residues(counts: Counts, stored: usize, plant: impl FnOnce(&Stage)) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let at = minute(now_micros()) - 5 * MINUTE;
    plant(&stage);
    for records in [records(at, stored), vec![page(at, counts)]] {
        assert!(stage.log.append(Topic::Raw, records).all_stored().await);
    }
    stage.process_until("SELECT count(*) > 0 FROM ledger WHERE hop = 'closed'").await;
    let found = "SELECT hop, strftime(minute, '%Y-%m-%dT%H:%M:%SZ'), state, residue
        FROM ledger_residue WHERE residue <> 0 ORDER BY hop";
    (stage.rows(found).await, text(at)[..19].to_owned() + "Z")
}

#[tokio::test]
async fn nothing_lost_is_a_residue_of_0() {
    assert_eq!(residues(ten(), 10, |_| {}).await.0, "[]");
    // Deferred, and acknowledged after all.
    let late = Counts { stored: 9, deferred: 1, late: 1, ..ten() };
    assert_eq!(residues(late, 10, |_| {}).await.0, "[]");
}

#[tokio::test]
async fn a_record_lost_in_ingest_is_located() {
    let (found, at) = residues(Counts { stored: 9, ..ten() }, 9, |_| {}).await;
    assert_eq!(found, json!([["ingest", at, "proved", 1]]).to_string());
}

#[tokio::test]
async fn a_record_lost_in_the_log_is_located() {
    let (found, at) = residues(ten(), 9, |_| {}).await;
    assert_eq!(found, json!([["log", at, "proved", 1]]).to_string());
}

#[tokio::test]
async fn a_record_lost_in_processing_is_located() {
    let plant = |stage: &Stage| stage.writes.uncounted.store(1, Ordering::SeqCst);
    let (found, at) = residues(ten(), 10, plant).await;
    // Neither accepted nor anything else; and so the tables have one more than they are to have.
    let expected = json!([["process", at, "proved", 1], ["warehouse", at, "proved", -1]]);
    assert_eq!(found, expected.to_string());
}

#[tokio::test]
async fn a_record_lost_in_the_warehouse_is_located() {
    let plant = |stage: &Stage| stage.writes.lost.store(1, Ordering::SeqCst);
    let (found, at) = residues(ten(), 10, plant).await;
    assert_eq!(found, json!([["warehouse", at, "proved", 1]]).to_string());
}
