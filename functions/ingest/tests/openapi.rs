//! What ingest answers is what `openapi.json` says, in both directions.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, header},
};
use questline_events::Reason;
use questline_ingest::Ingest;
use questline_log_sqlite::SqliteLog;
use serde_json::{Value, json};
use support::{Answer, Reports, answer, event, impatient, ingest, post};

fn description() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).unwrap()
}

/// Where references lead.
fn resolved<'d>(document: &'d Value, node: &'d Value) -> &'d Value {
    match node["$ref"].as_str() {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap(),
        None => node,
    }
}

#[test]
fn every_route_is_described_and_no_other() {
    let routes = include_str!("../src/routes.rs").split(".route(\"").skip(1).map(|route| {
        let (path, handler) = route.split_once("\", ").unwrap();
        (path.to_owned(), handler.split('(').next().unwrap().to_owned())
    });
    let document = description();
    let paths = document["paths"].as_object().unwrap().iter();
    let described = paths.flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
    });
    assert_eq!(routes.collect::<BTreeSet<_>>(), described.collect());
}

#[test]
fn the_reasons_are_the_closed_list() {
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(description()["components"]["schemas"]["Reason"]["enum"], json!(reasons));
}

/// Sends a request, expects a status, and holds the answer against the description.
async fn described(ingest: &Arc<Ingest>, request: Request<Body>, status: u16) -> Answer {
    let document = description();
    let (method, path) =
        (request.method().as_str().to_lowercase(), request.uri().path().to_owned());
    let got = answer(ingest, request).await;
    assert_eq!(got.status.as_u16(), status, "{method} {path}: {}", got.body);
    let response = &document["paths"][&path][&method]["responses"][status.to_string()];
    let response = resolved(&document, response);
    assert!(response.is_object(), "{method} {path}: {status} is not described");
    for (name, _) in response["headers"].as_object().into_iter().flatten() {
        assert!(got.headers.contains_key(name.to_lowercase()), "{method} {path}: no {name}");
    }
    let kind = got.headers[header::CONTENT_TYPE].to_str().unwrap();
    let kind = kind.split(';').next().unwrap();
    let content = &response["content"][kind];
    assert!(content.is_object(), "{method} {path}: {kind} is not described");
    if kind.ends_with("json") {
        let schema = json!({ "components": document["components"], "allOf": [content["schema"]] });
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(&got.body).map(|e| e.to_string()).collect();
        assert_eq!(errors, [""; 0], "{method} {path}: {}", got.body);
    }
    got
}

#[tokio::test]
async fn answers_are_as_described() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(SqliteLog::open(&folder.path().join("log")).unwrap());
    let mut ingest = ingest(log, 1_000_000);
    ingest.deadline = Duration::from_secs(60);
    let ingest = Arc::new(ingest);
    let bad = r#"{"id":"b","user_id":"u","timestamp":"soon","type":1}"#;
    let mixed = format!("[{},17,{bad}]", event("a"));
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let with = |name: &str, value: &str, body: String| {
        let request = Request::post("/v1/events").header("x-api-key", "local");
        request.header(name, value).body(Body::from(body)).unwrap()
    };

    let all = described(&ingest, post("/v1/events?receipts=all", mixed.clone()), 200).await;
    let statuses: Vec<_> = (0..3).map(|at| all.body["results"][at]["status"].clone()).collect();
    assert_eq!(statuses, ["stored", "rejected", "stored"]);
    let strict = described(&ingest, post("/v1/events?strict=1", mixed.clone()), 200).await;
    assert_eq!(strict.body["results"][1]["reason"], "invalid_timestamp");
    let verdicts = described(&ingest, post("/v1/validate", mixed), 200).await;
    let counts = ["received", "accepted", "rejected", "dead_lettered"].map(|n| &verdicts.body[n]);
    assert_eq!(counts, [3, 1, 1, 1]);

    for path in ["/v1/events", "/v1/validate"] {
        described(&ingest, post(path, ""), 400).await;
        described(&ingest, post(path, format!("[{}]", vec!["{}"; 501].join(","))), 413).await;
        let keyless = Request::post(path).body(Body::from("{}")).unwrap();
        described(&ingest, keyless, 401).await;
    }
    for query in ["strict=x", "strict=", "strict=true", "receipts=ALL", "receipts=none"] {
        let path = format!("/v1/events?{query}");
        let refused = described(&ingest, post(&path, event("d")), 400).await.body["detail"].clone();
        let (name, value) = query.split_once('=').unwrap();
        let names = |said: &str| said.starts_with(&format!("`{name}`")) && said.contains(value);
        assert!(refused.as_str().is_some_and(names), "{query}: {refused}");
    }
    described(&ingest, with("content-encoding", "lzma", event("c")), 415).await;
    for path in ["/healthz", "/version", "/ready", "/readyz", "/openapi.json"] {
        described(&ingest, get(path), 200).await;
    }
    described(&ingest, get("/metrics"), 401).await;
}

#[tokio::test]
async fn a_log_that_is_away_and_a_client_too_fast_are_as_described() {
    let ingest = Arc::new(impatient(Arc::new(Reports::default()), 1));
    for path in ["/ready", "/readyz"] {
        let get = Request::get(path).body(Body::empty()).unwrap();
        described(&ingest, get, 503).await;
    }
    // The bucket holds one full request.
    let request = format!("[{}]", vec![event("a"); 500].join(","));
    let deferred = described(&ingest, post("/v1/events", request.clone()), 503).await;
    assert_eq!(deferred.body["results"][0]["retryable"], true);
    let refused = described(&ingest, post("/v1/events", request), 429).await;
    assert_eq!(
        (&refused.body["limit"], refused.headers["ratelimit-remaining"].as_bytes()),
        (&json!(1), &b"0"[..])
    );
}

#[tokio::test]
async fn who_sends_elsewhere_is_told_where_to() {
    let ingest = Arc::new(impatient(Arc::new(Reports::default()), 1));
    let elsewhere = answer(&ingest, post("/v2/events", event("a"))).await;
    assert_eq!(elsewhere.status.as_u16(), 404);
    let said = elsewhere.body["detail"].as_str().unwrap();
    assert!(said.contains("no /v2/events here: events go to /v1/events"), "{said}");
}
