//! Minutes are closed, and a boot that was killed leaves its last minute unproved.
//!
//! These take minutes of the wall clock; they run beside each other.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::time::{Duration, Instant};

use support::{Stack, event};

/// Polls until a query gives a number of at least one.
async fn wait_for(stack: &Stack, what: &str, patience: Duration, sql: &str) {
    let start = Instant::now();
    while stack.number(sql).await < 1 {
        assert!(
            start.elapsed() < patience,
            "{what}: {}",
            stack.rows("SELECT * FROM ledger_minutes").await
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test]
async fn a_minute_is_closed_and_its_residue_is_zero() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let body = format!("[{},{},{{}},5]", event("a"), event("a"));
    stack.ingest().post(body.as_bytes(), None).await.unwrap();
    let closed = "SELECT count(*) FROM ledger_minutes WHERE app_id = 'local' AND state = 'proved'";
    wait_for(&stack, "the minute is closed", Duration::from_secs(90), closed).await;
    let minute = "SELECT received, stored, rejected, deferred, read, accepted, duplicate,
                         dead_lettered, lost, state
                  FROM ledger_minutes WHERE app_id = 'local'";
    assert_eq!(stack.rows(minute).await, r#"[[4,3,1,0,3,1,1,1,0,"proved"]]"#);
    let residue =
        "SELECT hop, state, residue FROM ledger_residue WHERE app_id = 'local' ORDER BY 1";
    let zero = r#"[["ingest","proved",0],["log","proved",0],["process","proved",0],["warehouse","proved",0]]"#;
    assert_eq!(stack.rows(residue).await, zero);
    let quiet = "SELECT count(*) FROM ledger_minutes WHERE app_id IS NULL AND state = 'proved' AND lost = 0";
    assert!(stack.number(quiet).await >= 1, "zeros are written too");
}

#[tokio::test]
async fn a_killed_boot_leaves_its_minute_unproved_and_closes_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let stack = Stack::start(&directory);
    stack.ingest().post(event("before").as_bytes(), None).await.unwrap();
    stack.settle().await;
    stack.ingest().post(event("acknowledged").as_bytes(), None).await.unwrap();
    stack.kill();

    let stack = Stack::start(&directory);
    stack.ingest().post(event("after").as_bytes(), None).await.unwrap();
    stack.settle().await;
    assert_eq!(
        stack.number("SELECT count(*) FROM events").await,
        3,
        "nothing acknowledged is lost"
    );
    // Three minutes of silence make a boot dead; then its minute is closed.
    let unproved = "SELECT count(*) FROM ledger_minutes WHERE state = 'unproved' AND lost IS NULL";
    wait_for(&stack, "the minute is closed as unproved", Duration::from_secs(330), unproved).await;
    let living = "SELECT count(*) FROM ledger_minutes m JOIN ledger_boots b USING (log_id, source)
                  WHERE m.state = 'proved' AND m.lost = 0 AND b.last_complete >= m.minute";
    assert!(stack.number(living).await >= 1, "the living boot proves its own");
    let claimed = "SELECT count(*) FROM ledger_minutes WHERE state = 'unproved' AND lost = 0";
    assert_eq!(stack.number(claimed).await, 0, "never '0 lost'");
    assert_eq!(stack.number("SELECT sum(abs(residue)) FROM ledger_residue").await, 0);
}
