//! One event from the request to the row, the minute and the verdict.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::time::{Duration, Instant};

use support::{Stack, event, in_time, receipt};

/// Waits until an event is a row; how long that is since it was sent.
async fn seen(stack: &Stack, id: &str, sent: Instant) -> Duration {
    let rows = format!("SELECT count(*) FROM events WHERE event_id = '{id}'");
    while stack.number(&rows).await == 0 {
        assert!(sent.elapsed() < Duration::from_secs(60), "{id} does not become a row");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent.elapsed()
}

#[tokio::test]
async fn an_event_becomes_a_row_a_minute_and_a_verdict_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let bad = r#"{ "id" : "bad","user_id":"u","type":1001}"#;
    let body = format!("[{},{bad},17]", event("good"));
    // The warehouse is open.
    stack.settle().await;
    let sent = Instant::now();
    let answer = receipt(stack.ingest().post(body.as_bytes(), None).await.unwrap());
    let counts = [answer.received, answer.stored, answer.rejected, answer.deferred];
    assert_eq!(counts, [3, 2, 1, 0]);
    assert_eq!((answer.results.len(), answer.results[0].index), (1, 2));
    assert_eq!(answer.results[0].reason.as_deref(), Some("not_an_object"));
    assert!(!answer.results[0].retryable);

    let sent = in_time(Duration::from_secs(2), 3, async |before| {
        if before == 0 {
            return seen(&stack, "good", sent).await;
        }
        let (id, sent) = (format!("good-{before}"), Instant::now());
        stack.ingest().post(event(&id).as_bytes(), None).await.unwrap();
        seen(&stack, &id, sent).await
    })
    .await;
    let minutes =
        "SELECT app_id, event_type, level_id, sum(events)::BIGINT FROM events_1min GROUP BY ALL";
    let expected = serde_json::json!([["local", 1001, "7", sent]]);
    assert_eq!(stack.rows(minutes).await, expected.to_string());
    let letter = "SELECT reason, detail, app_id, decode(raw), attempts, held FROM events_dlq";
    let expected = serde_json::json!([["missing_field", "timestamp", "local", bad, 0, false]]);
    assert_eq!(stack.rows(letter).await, expected.to_string(), "the very bytes are kept");
    let lookups = "SELECT DISTINCT lookup FROM lookup_versions ORDER BY 1";
    assert_eq!(stack.rows(lookups).await, r#"[["devices"],["geo"],["registry"]]"#);
}

#[tokio::test]
async fn a_stack_ends_in_order_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let stack = Stack::start(&directory);
    stack.ingest().post(event("a").as_bytes(), None).await.unwrap();
    assert!(stack.terminate().success());

    let started = Instant::now();
    let stack = Stack::start(&directory);
    let ready = reqwest::get(format!("{}/readyz", stack.url)).await.unwrap();
    assert!(ready.status().is_success());
    assert!(started.elapsed() < Duration::from_secs(5), "a busy machine is slow, not that slow");
    let again = format!("[{},{}]", event("a"), event("b"));
    assert_eq!(receipt(stack.ingest().post(again.as_bytes(), None).await.unwrap()).stored, 2);
    stack.settle().await;
    let ids = "SELECT event_id FROM events ORDER BY 1";
    assert_eq!(stack.rows(ids).await, r#"[["a"],["b"]]"#, "the window outlives the process");
    let ended = "SELECT count(*) FROM ledger_boots WHERE ended";
    assert_eq!(stack.number(ended).await, 1, "the first boot's closing mark");
}

#[tokio::test]
async fn players_fill_a_fresh_directory_and_the_page_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let history = ["--history", "3", "--seed", "5", "--rate", "20"];
    let stack = Stack::start_with(&folder.path().join("data"), &history);
    let started = Instant::now();
    let played = "SELECT count(*) FROM events_unique";
    while stack.number(played).await < 200_000 {
        assert!(started.elapsed() < Duration::from_secs(120), "the past is not there");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Three days touch four dates; near midnight a player's clock may be past it.
    let dates = stack.number("SELECT count(DISTINCT event_date) FROM events").await;
    assert!((4..=5).contains(&dates), "{dates} dates");
    for (what, sql) in [
        ("countries", "SELECT count(DISTINCT country) FROM events"),
        ("tiers", "SELECT count(DISTINCT device_tier) FROM events"),
        ("purchases", "SELECT count(*) FROM events WHERE price_usd > 0"),
        ("letters", "SELECT count(*) FROM events_dlq"),
        ("boosters", "SELECT count(*) FROM events WHERE len(boosters_used) > 0"),
    ] {
        let least = if what == "tiers" { 3 } else { 10 };
        let found = stack.number(sql).await;
        assert!(
            found >= least || std::env::var_os("QUESTLINE_GEO_DB").is_none(),
            "{what}: {found}"
        );
    }
    let page = reqwest::get(&stack.url).await.unwrap();
    assert!(
        page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'")
    );
    assert!(page.text().await.unwrap().contains("<title>Questline</title>"));
    let asked = format!("{}/api/ask/ledger_minutes/by_bucket", stack.url);
    let minutes: serde_json::Value = reqwest::get(asked).await.unwrap().json().await.unwrap();
    let accepted = minutes["columns"].as_array().unwrap().iter().position(|c| c == "accepted");
    let rows = minutes["rows"].as_array().unwrap();
    let sum: i64 = rows.iter().map(|row| row[accepted.unwrap()].as_i64().unwrap()).sum();
    assert!(sum >= 200_000, "{sum}");
}
