//! Whatever is sent: a clear answer, never a 500, never a lost sibling.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use support::{Stack, binary, event, faulty_registry};

struct Answer {
    status: u16,
    body: Value,
    headers: reqwest::header::HeaderMap,
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.text().await.unwrap();
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    assert!(status < 500, "{status}: {body}");
    Answer { status, body, headers }
}

fn post(stack: &Stack, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let url = format!("{}/v1/events", stack.url);
    Client::new().post(url).header("x-api-key", "local").body(body)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn one_bad_event_never_changes_its_siblings() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let deep = format!(r#"{{"id":"d","x":{}{}}}"#, "[".repeat(300), "]".repeat(300));
    let large = format!(r#"{{"id":"l","x":"{}"}}"#, "x".repeat(33_000));
    // What stands between two good events, and its reason at the door; none: it is stored.
    let cases: &[(&str, &[u8], Option<&str>)] = &[
        ("broken", br#"{"id":"#, Some("malformed_json")),
        ("not UTF-8", b"{\"id\":\"\xff\xfe\"}", Some("malformed_json")),
        ("control character", b"{\"id\":\"a\x01\"}", Some("malformed_json")),
        ("NaN", br#"{"id":"n","x":NaN}"#, Some("malformed_json")),
        ("two documents", br"{} {}", Some("malformed_json")),
        ("NUL byte", b"{\"id\":\"a\"\x00}", Some("malformed_json")),
        ("a number", b"17", Some("not_an_object")),
        ("an array", b"[1,2]", Some("not_an_object")),
        ("null", b"null", Some("not_an_object")),
        ("deep", deep.as_bytes(), Some("too_deep")),
        ("large", large.as_bytes(), Some("too_large")),
        ("a lone surrogate", br#"{"id":"\ud800"}"#, None),
        ("a member twice", br#"{"id":"a","id":"b"}"#, None),
        ("a giant number", br#"{"id":"g","type":1e999}"#, None),
        ("an escaped NUL", br#"{"id":"\u0000","user_id":"\u0000"}"#, None),
        ("nothing in it", b"{}", None),
    ];
    for (number, (name, bad, reason)) in cases.iter().enumerate() {
        let (before, after) =
            (event(&format!("{number}-before")), event(&format!("{number}-after")));
        let body = [before.as_bytes(), bad, after.as_bytes()].join(&b'\n');
        let Answer { status, body, .. } = answer(post(&stack, body)).await;
        assert_eq!(status, 200, "{name}: {body}");
        let rejected = usize::from(reason.is_some());
        assert_eq!(body["stored"], 3 - rejected, "{name}: {body}");
        assert_eq!(body["rejected"], rejected, "{name}: {body}");
        assert_eq!(body["results"].as_array().unwrap().len(), rejected);
        if let Some(reason) = reason {
            assert_eq!(body["results"][0]["index"], 1, "{name}");
            assert_eq!(body["results"][0]["reason"], *reason, "{name}");
            assert_eq!(body["results"][0]["retryable"], false, "{name}");
            let named = ["too_deep", "too_large"].contains(reason);
            assert_eq!(body["results"][0]["id"].is_string(), named, "{name}");
        }
    }
    stack.settle().await;
    let good =
        "SELECT count(*) FROM events WHERE event_id LIKE '%-before' OR event_id LIKE '%-after'";
    assert_eq!(stack.number(good).await, 2 * i64::try_from(cases.len()).unwrap());
    let stored = cases.iter().filter(|(_, _, reason)| reason.is_none()).count();
    let letters = stack.number("SELECT count(*) FROM events_dlq").await;
    assert_eq!(letters, i64::try_from(stored).unwrap(), "judged later, never lost");
    let residue = stack.number("SELECT sum(abs(residue)) FROM ledger_residue").await;
    assert_eq!(residue, 0);
}

#[tokio::test]
async fn every_shape_of_body_is_understood_whatever_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let sent_at = questline_events::time::text(support::now_micros());
    let bodies = [
        event("one"),
        format!("[{}]", event("array")),
        format!(r#"{{"events":[{}],"sent_at":"{sent_at}"}}"#, event("wrapped")),
        format!("\u{feff}{}\r\n\r\n{}\n", event("line 1"), event("line 2")),
    ];
    for body in &bodies {
        for kind in ["application/json", "text/plain;charset=UTF-8", "application/x-protobuf", ""] {
            let found = answer(post(&stack, body.clone()).header("content-type", kind)).await;
            assert_eq!((found.status, &found.body["rejected"]), (200, &Value::from(0)), "{body}");
        }
    }
    for (encoding, body) in
        [("gzip", gzip(bodies[1].as_bytes())), ("identity", bodies[1].clone().into())]
    {
        let found = answer(post(&stack, body).header("content-encoding", encoding)).await;
        assert_eq!((found.status, &found.body["stored"]), (200, &Value::from(1)));
    }
    let all = format!("{}/v1/events?receipts=all&key=local", stack.url);
    let found = answer(Client::new().post(all).body(format!("[{},5]", event("all")))).await;
    let results = found.body["results"].as_array().unwrap();
    assert_eq!(
        (results.len(), &results[0]["status"], &results[0]["id"]),
        (2, &Value::from("stored"), &Value::from("all"))
    );
    assert_eq!(results[1]["status"], "rejected");
    let empty = answer(post(&stack, "[]")).await;
    assert_eq!((empty.status, &empty.body["received"]), (200, &Value::from(0)));
}

#[tokio::test]
async fn what_cannot_be_answered_event_by_event_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let many = format!("[{}]", vec!["{}"; 501].join(","));
    let bomb = gzip(&vec![b' '; 9 << 20]);
    let large = vec![b' '; (1 << 20) + 1];
    let cases: Vec<(&str, u16, RequestBuilder)> = vec![
        ("an array that is no JSON", 400, post(&stack, "[{},")),
        ("a wrapper that is no JSON", 400, post(&stack, r#"{"events":[{}"#)),
        ("nothing", 400, post(&stack, " \n")),
        ("no gzip", 400, post(&stack, "[]").header("content-encoding", "gzip")),
        (
            "half a gzip",
            400,
            post(&stack, gzip(b"[{},{},{}]")[..20].to_vec()).header("content-encoding", "gzip"),
        ),
        ("an encoding of its own", 415, post(&stack, "[]").header("content-encoding", "lzw")),
        ("too many", 413, post(&stack, many)),
        ("too large", 413, post(&stack, large)),
        // Far more than a socket holds: its sender is still writing when the limit is passed.
        ("far too large", 413, post(&stack, vec![b' '; 7 << 20])),
        ("a bomb", 413, post(&stack, bomb).header("content-encoding", "gzip")),
        ("no key", 401, Client::new().post(format!("{}/v1/events", stack.url)).body("[]")),
        (
            "another key",
            401,
            Client::new().post(format!("{}/v1/events?key=x", stack.url)).body("[]"),
        ),
        ("another way", 405, Client::new().get(format!("{}/v1/events", stack.url))),
        ("another place", 404, Client::new().post(format!("{}/v2/events", stack.url))),
        (
            "an odd address line",
            400,
            Client::new().post(format!("{}/v1/events?key=local&key=x", stack.url)).body("[]"),
        ),
    ];
    for (name, expected, request) in cases {
        let found = answer(request).await;
        assert_eq!(found.status, expected, "{name}: {}", found.body);
        if ![404, 405].contains(&found.status) {
            assert_eq!(found.headers["content-type"], "application/problem+json", "{name}");
            assert!(found.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        }
        if found.status == 413 {
            assert!(found.body["limit"].as_str().is_some(), "{name} names the limit");
        }
    }
    stack.settle().await;
    let refused = "SELECT sum(refused_bodies) FROM ledger_minutes";
    assert_eq!(stack.number(refused).await, 13, "refused bodies are in the ledger");
}

#[tokio::test]
async fn strict_mode_and_validate_judge_at_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let no_level = event("bad").replace(r#""level_id":"7""#, "");
    let body = format!("[{},{no_level},5]", event("good"));
    let strict = format!("{}/v1/events?strict=1&key=local", stack.url);
    let found = answer(Client::new().post(strict).body(body.clone())).await.body;
    assert_eq!((&found["stored"], &found["rejected"]), (&Value::from(1), &Value::from(2)));
    assert_eq!(found["results"][0]["reason"], "invalid_parameters");
    assert_eq!(found["results"][0]["detail"], "level_id");
    assert_eq!(found["results"][0]["id"], "bad");

    let validate = Client::new().post(format!("{}/v1/validate?key=local", stack.url)).body(body);
    let found = answer(validate).await.body;
    let verdicts: Vec<_> =
        found["results"].as_array().unwrap().iter().map(|r| &r["verdict"]).collect();
    assert_eq!(verdicts, ["accepted", "dead_lettered", "rejected"]);
    stack.settle().await;
    assert_eq!(stack.number("SELECT count(*) FROM events").await, 1, "validate stores nothing");
    assert_eq!(stack.number("SELECT count(*) FROM events_dlq").await, 0);
}

/// What the environment says of the rules, it says to the door as to processing.
#[tokio::test]
async fn the_door_judges_by_the_rules_of_processing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let mut command = Command::new(binary("questline-stack"));
    command.args(["--no-players", "--port", "0", "--data-dir"]).arg(&directory);
    command.env("QUESTLINE_REGISTRY", faulty_registry(folder.path()));
    command.env("QUESTLINE_MAX_EVENT_BYTES", "65536");
    let stack = Stack::spawn(command, &directory);
    let validate = format!("{}/v1/validate?key=local", stack.url);
    let found = answer(Client::new().post(validate).body(event("condemned"))).await.body;
    assert_eq!(found["results"][0]["reason"], "invalid_parameters", "{found}");

    let long = format!(r#""type":7777,"pad":"{}""#, "x".repeat(40_000));
    let large = event("large").replace(r#""type":1001"#, &long);
    assert_eq!(answer(post(&stack, large)).await.body["stored"], 1);
    stack.settle().await;
    assert_eq!(stack.number("SELECT count(*) FROM events WHERE event_id = 'large'").await, 1);
}

#[tokio::test]
async fn browsers_may_send_and_the_operator_is_not_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let preflight = Client::new()
        .request(reqwest::Method::OPTIONS, format!("{}/v1/events", stack.url))
        .header("origin", "https://game.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-api-key,content-encoding");
    let found = answer(preflight).await;
    assert_eq!(found.status, 200);
    assert_eq!(found.headers["access-control-allow-origin"], "*");
    let beacon = Client::new()
        .post(format!("{}/v1/events?key=local", stack.url))
        .header("origin", "https://game.example")
        .body(event("beacon"));
    assert_eq!(answer(beacon).await.body["stored"], 1);

    stack.settle().await;
    let token = stack.place.token(None).unwrap();
    let query = || {
        Client::new()
            .post(format!("{}/operator/query", stack.url))
            .json(&serde_json::json!({"sql": "SELECT 1"}))
    };
    let port = stack.url.rsplit(':').next().unwrap();
    for (expected, request) in [
        (401, query()),
        (401, query().bearer_auth("wrong")),
        (403, query().bearer_auth(&token).header("host", "evil.example")),
        (403, query().bearer_auth(&token).header("host", format!("evil.example:{port}"))),
        (403, query().bearer_auth(&token).header("origin", "https://evil.example")),
        (403, query().bearer_auth(&token).header("origin", "null")),
        (200, query().bearer_auth(&token).header("host", format!("localhost:{port}"))),
        (200, query().bearer_auth(&token).header("origin", format!("http://127.0.0.1:{port}"))),
    ] {
        assert_eq!(answer(request).await.status, expected);
    }
    let metrics = format!("{}/metrics", stack.url);
    assert_eq!(answer(Client::new().get(&metrics)).await.status, 200);
    let proxied = Client::new().get(&metrics).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(answer(proxied).await.status, 401);
}

/// Sends the beginning of a request, and tells when the server hangs up, and what it said.
fn half_open(stack: &Stack, beginning: &str, patience: Duration) -> (Duration, String) {
    let mut socket = TcpStream::connect(stack.url.trim_start_matches("http://")).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.write_all(beginning.as_bytes()).unwrap();
    let start = Instant::now();
    let mut said = Vec::new();
    // A timeout is an error, and shows in the time that it took.
    _ = socket.read_to_end(&mut said);
    (start.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_half_open_clients_are_timed_out() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let patience = Duration::from_secs(45);
    let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\nx-api-key: local\r\n";
    let body = format!("{head}content-length: 100\r\n\r\n[");
    let (silent, slow_head, slow_body) = std::thread::scope(|scope| {
        let silent = scope.spawn(|| half_open(&stack, "", patience));
        let slow_head = scope.spawn(|| half_open(&stack, head, patience));
        let slow_body = scope.spawn(|| half_open(&stack, &body, patience));
        (silent.join().unwrap(), slow_head.join().unwrap(), slow_body.join().unwrap())
    });
    for (name, (took, _)) in [("silent", &silent), ("head", &slow_head), ("body", &slow_body)] {
        assert!(*took < patience, "{name}: still open after {took:?}");
    }
    assert!(slow_body.1.starts_with("HTTP/1.1 408"), "{}", slow_body.1);
    let found = answer(post(&stack, event("meanwhile"))).await;
    assert_eq!(found.body["stored"], 1);
}
