//! A job of the real binary: letters wait in BigQuery (an emulator), and come back onto the log.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{path::Path, process::Command};

use questline_log_sqlite::SqliteLog;
use questline_stores::{
    Topic,
    log::{Head, Log as _, Reader as _},
};
use questline_testing::{Bigquery, skip};
use serde_json::{Value, json};

/// A letter that processing condemned for nothing; 300 of them are more than a page.
fn letter(n: usize) -> Value {
    let event = json!({"id": format!("e{n}"), "user_id": "u", "type": 1001,
        "timestamp": "2026-11-22T10:00:00Z", "parameters": {"level_id": "7"}});
    let bytes = event.to_string().into_bytes();
    json!({
        "letter": format!("log/0/{n}"), "reason": "invalid_parameters", "app_id": "a",
        "held": n < 20, "attempts": 0, "received_at": "2026-11-22T10:00:01Z",
        "failed_at": format!("2026-11-22T10:{:02}:{:02}Z", n / 60, n % 60),
        "function_version": "1", "raw": String::from_utf8(bytes).unwrap(),
        "headers": [["app_id", "a"], ["received_at", "1795341601000"]],
        "source_log": "log", "source_partition": 0, "source_offset": n
    })
}

/// Runs a job to its end, and gives its report.
fn job(folder: &Path, emulator: &Bigquery, request: Value) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_questline-dlq-reprocess"))
        .env_clear()
        .env("QUESTLINE_LOG", format!("sqlite:{}", folder.display()))
        .env("QUESTLINE_WAREHOUSE", format!("bigquery:{}", Bigquery::DATASET))
        .env("QUESTLINE_BIGQUERY_REST", &emulator.rest)
        .env("QUESTLINE_REPROCESS", request.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let report =
        lines.filter_map(|line| Some(line["report"].as_str()?.to_owned())).next_back().unwrap();
    serde_json::from_str(&report).unwrap()
}

async fn records(folder: &Path) -> usize {
    let log = SqliteLog::open(folder).unwrap();
    let partitions: Vec<u32> = (0..Topic::Raw.partitions()).collect();
    let mut seen = 0;
    let mut visit = |head: &Head| seen += usize::from(head.headers.get("letter").is_some());
    log.scan(Topic::Raw, &partitions, 0, &mut visit).await.unwrap();
    log.close().await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_wait_in_bigquery_come_back() {
    let Some(mut emulator) = Bigquery::start() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let folder = tempfile::tempdir().unwrap();
    let letters: Vec<_> = (0..300).map(letter).collect();
    emulator.fill("events_dlq", &Value::from(letters).to_string());
    let report = job(folder.path(), &emulator, json!({"dry_run": true}));
    assert_eq!((&report["waiting"], &report["would_pass"]), (&json!(300), &json!(300)));
    let report = job(folder.path(), &emulator, json!({"held": true}));
    assert_eq!(report["brought_back"], 20);
    assert_eq!(records(folder.path()).await, 20);
    // Processing has written what became of them: those do not wait any more.
    let judged = |n: usize| {
        json!({"letter": format!("log/0/{n}"), "attempts": 1, "outcome": "accepted",
            "judged_at": "2026-11-22T11:00:00Z", "source_log": "log", "source_partition": 0,
            "source_offset": 400 + n})
    };
    let judged: Vec<_> = (0..20).map(judged).collect();
    emulator.fill("events_reprocessed", &Value::from(judged).to_string());
    let report = job(folder.path(), &emulator, json!({"dry_run": true}));
    assert_eq!((&report["looked_at"], &report["would_pass"]), (&json!(280), &json!(280)));
}
