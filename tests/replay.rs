//! A day judged by a release at fault, closed, and judged anew: by the command, after a replay that
//! was killed midway.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use questline_events::Day;
use questline_testing::a_day_that_lasts;
use serde_json::json;
use support::{Stack, binary, faulty_registry, now_micros, past::Past};

fn replay(directory: &Path, from: &str, to: &str) -> Output {
    Command::new(binary("questline"))
        .args(["replay", "--from", from, "--to", to, "--data-dir"])
        .arg(directory)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).concat()
}

/// Waits until the last run of a day is done, and its metrics have so many attempts.
async fn attempts(stack: &Stack, day: Day, expected: i64) {
    let sql = format!(
        "SELECT coalesce((SELECT CAST(sum(attempts) AS BIGINT) FROM level_metrics
             WHERE event_date = '{day}'), 0) + 1000000 * (SELECT count(*) FROM stale_days)
         FROM pipeline_runs WHERE event_date = '{day}' AND state = 'done'
         AND step = 'quality_results' AND started_at > (SELECT max(started_at) FROM pipeline_runs
             WHERE event_date = '{day}' AND step = 'day_rows') HAVING count(*) > 0"
    );
    let start = Instant::now();
    loop {
        let rows = stack.rows(&sql).await;
        if rows == format!("[[{expected}]]") {
            return;
        }
        let runs = stack.rows("SELECT step, state, error FROM pipeline_runs").await;
        assert!(start.elapsed() < Duration::from_secs(200), "{rows}, not {expected}: {runs}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_judged_anew() {
    const PLAYERS: i64 = 60_000;
    a_day_that_lasts(Duration::from_secs(300));
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let day = Day::of(now_micros()).plus(-1);
    {
        // Of each player a start, sent twice, and a session's end: the latter no release refuses.
        let past = Past::of(&directory);
        let event = |n: i64, id: &str, what: &str| {
            format!(r#"{{"id":"{id}-{n}","user_id":"u-{n}","timestamp":"{day}T12:00:00Z",{what}}}"#)
        };
        let start = r#""type":1001,"parameters":{"level_id":"7"}"#;
        let events = (0..PLAYERS).flat_map(|n| {
            [event(n, "start", start), event(n, "start", start), event(n, "end", r#""type":3002"#)]
        });
        past.append(day.start() / 1_000 + 12 * 3_600_000, events).await;
        past.close().await;
    }
    let mut command = Command::new(binary("questline-stack"));
    command.args(["--no-players", "--port", "0", "--data-dir"]).arg(&directory);
    command.env("QUESTLINE_REGISTRY", faulty_registry(folder.path()));
    let stack = Stack::spawn(command, &directory);
    stack.settle().await;
    let counts = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM events_unique),
        (SELECT CAST(sum(events) AS BIGINT) FROM events_1min), (SELECT count(*) FROM events_dlq)";
    let before = json!([[PLAYERS, PLAYERS, PLAYERS, 2 * PLAYERS]]).to_string();
    assert_eq!(stack.rows(counts).await, before);
    attempts(&stack, day, 0).await;
    assert!(stack.terminate().success());

    // The release before, and a replay that is killed.
    let (from, to) = (format!("{day}T00:00:00Z"), format!("{}T00:00:00Z", day.plus(1)));
    let stack = Stack::start(&directory);
    stack.settle().await;
    let operator = stack.operator();
    let request = json!({ "from": from, "to": to });
    let (send, mut told) = tokio::sync::mpsc::unbounded_channel();
    let replaying =
        tokio::spawn(async move { operator.replay(&request, |line| _ = send.send(line)).await });
    while told.recv().await.unwrap()["progress"]["read"].as_i64().unwrap() == 0 {}
    stack.kill();
    replaying.await.unwrap().unwrap_err();
    let stack = Stack::start(&directory);
    stack.settle().await;
    assert_eq!(stack.rows(counts).await, before, "nothing has changed");

    let ran = replay(&directory, &from, &to);
    assert!(ran.status.success(), "{}", said(&ran));
    let expected = format!("{} events were read again", 3 * PLAYERS);
    assert!(said(&ran).contains(&expected), "{}", said(&ran));
    assert!(said(&ran).contains(&format!("To be closed anew: {day}")), "{}", said(&ran));
    attempts(&stack, day, PLAYERS).await;
    // Of a start that was sent twice both letters have become rows, and it counts once.
    let after = json!([[3 * PLAYERS, 2 * PLAYERS, 2 * PLAYERS, 0]]).to_string();
    assert_eq!(stack.rows(counts).await, after);
    let residue = "SELECT hop, residue FROM ledger_residue WHERE residue <> 0";
    assert_eq!(stack.rows(residue).await, "[]");

    // Twice is once.
    let ran = replay(&directory, &from, &to);
    assert!(ran.status.success(), "{}", said(&ran));
    attempts(&stack, day, PLAYERS).await;
    assert_eq!(stack.rows(counts).await, after);
    assert_eq!(stack.rows(residue).await, "[]");
    let open = replay(&directory, &from, &format!("{}T00:00:01Z", day.plus(1)));
    assert_eq!(open.status.code(), Some(2));
    assert!(said(&open).contains("the open day cannot be replayed"), "{}", said(&open));
}
