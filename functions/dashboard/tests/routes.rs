//! Who is let in, and what is answered, over a real warehouse.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, BodyDataStream, to_bytes},
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::StreamExt as _;
use questline_dashboard::{Config, Form, Sent, Viewers, routes};
use questline_environment::Rulebook;
use questline_events::{
    event::Event,
    limits::QUERY_TIMEOUT,
    row::{EventRows, Source},
};
use questline_log_sqlite::SqliteLog;
use questline_runtime::{
    CancellationToken,
    clock::{SystemClock, now_micros},
    config::Env,
};
use questline_stores::{
    NewRecord, Topic,
    log::{Appender as _, Reader},
    saved::{Ask, Question},
    warehouse::{Answer, QueryError, QueryLimits, Rows, Warehouse as _},
};
use questline_warehouse_duckdb::DuckdbWarehouse;
use serde_json::{Value, json};
use tower::ServiceExt as _;

fn app(viewers: Viewers) -> (tempfile::TempDir, Router) {
    app_over(viewers, None)
}

fn app_over(viewers: Viewers, sent: Option<Sent>) -> (tempfile::TempDir, Router) {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = DuckdbWarehouse::open(folder.path()).unwrap();
    let app = routes(Config { sent, viewers, ..config(Arc::new(warehouse)) });
    (folder, app)
}

fn config(source: Arc<dyn Ask>) -> Config {
    Config {
        source,
        sent: None,
        metrics: None,
        rules: Rulebook::read(&Env::of([])).unwrap().rules,
        form: None,
        viewers: Viewers::Local,
        clock: SystemClock::shared(),
        stop: CancellationToken::new(),
    }
}

async fn get(app: &Router, peer: &str, headers: &[(&str, &str)], path: &str) -> Response<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    app.clone().oneshot(request).await.unwrap()
}

const HOME: (&str, &[(&str, &str)]) = ("127.0.0.1:9", &[("host", "localhost:8080")]);

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn without_a_password_only_loopback_is_let_in_and_only_by_its_name() {
    let (_folder, app) = app(Viewers::Local);
    for (peer, headers, expected) in [
        ("127.0.0.1:9", &[("host", "127.0.0.1:8080")][..], StatusCode::OK),
        ("[::1]:9", &[("host", "[::1]:8080")], StatusCode::OK),
        ("127.0.0.1:9", &[("host", "evil.example:8080")], StatusCode::FORBIDDEN),
        ("127.0.0.1:9", &[], StatusCode::FORBIDDEN),
        ("192.0.2.1:9", &[("host", "localhost")], StatusCode::FORBIDDEN),
        (
            "127.0.0.1:9",
            &[("host", "localhost"), ("x-forwarded-for", "192.0.2.1")],
            StatusCode::FORBIDDEN,
        ),
    ] {
        for path in ["/", "/api/page", "/page/main.js", "/api/ask/ledger/apps"] {
            let response = get(&app, peer, headers, path).await;
            assert_eq!(response.status(), expected, "{path} from {peer} with {headers:?}");
            let policy = response.headers()["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("script-src 'self';"), "{policy}");
            assert_eq!(response.headers()["x-frame-options"], "DENY");
            let kept = expected == StatusCode::OK && !path.starts_with("/api");
            let kept = if kept { "no-cache" } else { "no-store" };
            assert_eq!(response.headers()["cache-control"], kept, "{path} from {peer}");
        }
    }
}

#[tokio::test]
async fn with_a_password_whoever_knows_it_is_let_in_from_anywhere_and_nobody_else() {
    let (_folder, app) = app(Viewers::Password("örg:23".to_owned()));
    let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
    for (sent, expected) in [
        (basic("anybody:örg:23"), StatusCode::OK),
        (basic("anybody:örg"), StatusCode::UNAUTHORIZED),
        (basic("örg:23"), StatusCode::UNAUTHORIZED),
        ("Bearer örg:23".to_owned(), StatusCode::UNAUTHORIZED),
        (String::new(), StatusCode::UNAUTHORIZED),
    ] {
        let headers = [("host", "metrics.example"), ("authorization", sent.as_str())];
        for peer in ["192.0.2.1:9", "127.0.0.1:9"] {
            let response = get(&app, peer, &headers, "/api/page").await;
            assert_eq!(response.status(), expected, "{sent} from {peer}");
        }
    }
    let response = get(&app, HOME.0, HOME.1, "/").await;
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic realm="));
}

#[tokio::test]
async fn whom_the_platform_lets_in_is_let_in() {
    let read = |said| Viewers::read(&Env::of([("QUESTLINE_DASHBOARD_VIEWERS", said)]));
    assert!(read("").is_ok_and(|viewers| viewers == Viewers::Local));
    let error = read("everybody").map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("QUESTLINE_DASHBOARD_VIEWERS cannot be used"), "{error}");
    let (_folder, app) = app(read("platform").unwrap());
    let headers = [("host", "page.example"), ("x-forwarded-for", "192.0.2.1")];
    let response = get(&app, "192.0.2.1:9", &headers, "/api/page").await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_saved_question_is_answered_and_as_csv() {
    let (_folder, app) = app(Viewers::Local);
    for saved in questline_stores::saved::ALL {
        let path = format!("/api/ask/{}", saved.name);
        let response = get(&app, HOME.0, HOME.1, &path).await;
        let status = response.status();
        let said = text(response).await;
        assert_eq!(status, StatusCode::OK, "{path}: {said}");
        let answer: Value = serde_json::from_str(&said).unwrap();
        let columns = answer["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap());
        let head = columns.filter(|name| *name != "would_fail").collect::<Vec<_>>().join(",");
        let csv = get(&app, HOME.0, HOME.1, &format!("{path}.csv")).await;
        assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
        assert!(text(csv).await.starts_with(&head), "{path}");
        assert!(!head.contains("headers"), "{path} tells a player's address");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_problem_that_names_it() {
    let (_folder, app) = app(Viewers::Local);
    for (path, status, said) in [
        ("/api/nothing", 404, "there are /api/page"),
        ("/api/ask/ledger/nothing", 404, "no question is called `ledger/nothing`"),
        ("/page/nothing.js", 404, "no file `nothing.js`"),
        ("/page/../Cargo.toml", 404, ""),
        ("/api/ask/events/recent?drop=1", 400, "has no parameter `drop`"),
        ("/api/ask/events/recent?most=1000000", 400, "from 1 to 1000"),
        ("/api/ask/events/recent?from_time=0001-01-01T00:00:00Z", 400, "within a year"),
        ("/api/events?event_type=x", 400, "a whole number"),
        ("/api/record?log=l&partition=0&offset=0", 404, "the page knows no log"),
        ("/api/pulse", 404, "its figures are elsewhere"),
    ] {
        let response = get(&app, HOME.0, HOME.1, path).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        let text = text(response).await;
        assert!(text.contains(said), "{path}: {text}");
    }
    let request = Request::post("/api/ask/ledger/apps").header("host", "localhost");
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo::<SocketAddr>("127.0.0.1:9".parse().unwrap()));
    assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_was_sent_is_shown_for_as_long_as_the_log_has_it() {
    let place = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(place.path()).unwrap();
    // No JSON, no UTF-8, and every blank of it.
    let bytes = b"{ \"id\" : \"\xff\x00<b>\" }\n ";
    let value = Some(bytes.as_slice().into());
    let record = NewRecord { partition: Some(3), value, ..NewRecord::default() };
    assert!(log.append(Topic::Raw, vec![record]).all_stored().await);
    let id = log.log_id().to_owned();
    let opened = std::sync::atomic::AtomicBool::new(false);
    let open = move || {
        let again = opened.swap(true, std::sync::atomic::Ordering::Relaxed);
        let log: Arc<dyn Reader> = Arc::new(log.clone());
        std::future::ready(again.then_some(log).ok_or_else(|| anyhow::anyhow!("no broker there")))
    };
    let (_folder, app) = app_over(Viewers::Local, Some(Sent::new(open)));
    let path = format!("/api/record?log={id}&partition=3&offset=0");
    let away = get(&app, HOME.0, HOME.1, &path).await;
    assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(away).await.contains("no broker there"));
    let found = get(&app, HOME.0, HOME.1, &path).await;
    assert_eq!(found.status(), StatusCode::OK, "it is opened again");
    let found: Value = serde_json::from_str(&text(found).await).unwrap();
    assert_eq!(found["raw_base64"], BASE64_STANDARD.encode(bytes));
    for (query, status, said) in [
        (format!("log={id}&partition=3&offset=1"), 404, "kept for 7 days"),
        (format!("log={id}&partition=64&offset=0"), 404, "kept for 7 days"),
        ("log=other&partition=3&offset=0".to_owned(), 404, "on another log, `other`"),
        (format!("log={id}&partition=-1&offset=0"), 400, "log, partition and offset tell"),
        (format!("log={id}&partition=3"), 400, "missing field `offset`"),
    ] {
        let response = get(&app, HOME.0, HOME.1, &format!("/api/record?{query}")).await;
        assert_eq!(response.status().as_u16(), status, "{query}");
        let text = text(response).await;
        assert!(text.contains(said), "{query}: {text}");
    }
}

#[tokio::test]
async fn the_page_sends_to_the_origin_of_ingest_and_knows_what_tells_of_it() {
    let stage = "https://in.example:8443/prod";
    for (ingest, origin, docs) in [
        (None, "connect-src 'self' ;", Value::Null),
        (Some(""), "connect-src 'self' ;", json!("/docs")),
        (
            Some(stage),
            "connect-src 'self' https://in.example:8443;",
            json!(format!("{stage}/openapi.json")),
        ),
    ] {
        let form = ingest.map(|ingest| Form { ingest: ingest.to_owned(), key: String::new() });
        let opening = Opening(AtomicBool::new(false));
        let app = routes(Config { form, ..config(Arc::new(opening)) });
        let response = get(&app, HOME.0, HOME.1, "/api/page").await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains(origin), "{policy}");
        let told: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!((&told["docs"], &told["metrics"]), (&docs, &json!(false)));
    }
}

/// A warehouse without rows, which is not open yet when it is asked first.
struct Opening(AtomicBool);

#[async_trait]
impl Ask for Opening {
    async fn ask(&self, _: &Question, _: QueryLimits) -> Result<Answer, QueryError> {
        if self.0.swap(true, Ordering::Relaxed) {
            return Ok(Answer::default());
        }
        Err(QueryError::Unavailable("it is being opened".into()))
    }
}

/// A warehouse that answers nothing, for one reason.
struct Failing(Fails);

type Fails = fn() -> QueryError;

#[async_trait]
impl Ask for Failing {
    async fn ask(&self, _: &Question, _: QueryLimits) -> Result<Answer, QueryError> {
        Err((self.0)())
    }
}

#[tokio::test]
async fn what_takes_too_long_or_gives_too_much_is_said_in_words() {
    let failures: [(Fails, u16, &str); 4] = [
        (|| QueryError::Timeout(QUERY_TIMEOUT), 504, "the query was cut after 10s"),
        (|| QueryError::TooManyRows(7), 422, "more than 7 rows"),
        (|| QueryError::Invalid("no such column".to_owned()), 422, "no such column"),
        (|| QueryError::Unavailable("it is elsewhere".into()), 503, "it is elsewhere"),
    ];
    for (failure, status, said) in failures {
        let app = routes(config(Arc::new(Failing(failure))));
        for path in ["/api/ask/level_metrics/levels", "/api/ask/level_metrics/levels.csv"] {
            let response = get(&app, HOME.0, HOME.1, path).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert_eq!(response.headers().contains_key("retry-after"), status == 503);
            let text = text(response).await;
            assert!(text.contains(said), "{path}: {text}");
        }
    }
}

/// Events as they come.
async fn events(app: &Router) -> BodyDataStream {
    let response = get(app, HOME.0, HOME.1, "/api/events").await;
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().into_data_stream()
}

/// What a stream tells next.
async fn told(stream: &mut BodyDataStream) -> String {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(120), stream.next());
        let bytes = next.await.unwrap().unwrap().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // A comment keeps it open.
        if !text.starts_with(':') {
            return text;
        }
    }
}

#[tokio::test]
async fn who_was_told_of_a_failure_is_told_that_it_is_over() {
    let app = routes(config(Arc::new(Opening(AtomicBool::new(false)))));
    let mut stream = events(&app).await;
    let broken = told(&mut stream).await;
    assert!(broken.starts_with("event: broken"), "{broken}");
    let well = told(&mut stream).await;
    assert!(well.contains(r#""rows":[]"#), "{well}");
}

/// Writes the row of an event that arrived at a moment.
async fn write(warehouse: &DuckdbWarehouse, id: &str, received_at: i64, offset: i64) {
    let event = Event {
        app_id: "a",
        event_id: id.into(),
        user_id: "u".into(),
        timestamp: received_at,
        received_at,
        ..Event::default()
    };
    let mut rows = EventRows::default();
    rows.push(&event, Source { log_id: "l", partition: 0, offset }, true);
    let tables = vec![(EventRows::TABLE, rows.finish().unwrap())];
    let (log_id, positions) = ("l".to_owned(), Vec::new());
    warehouse.write(Rows { log_id, tables, positions, places: None }).await.unwrap();
}

#[tokio::test]
async fn what_becomes_a_row_long_after_it_came_is_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = DuckdbWarehouse::open(folder.path()).unwrap();
    let app = routes(config(Arc::new(warehouse.clone())));
    let mut stream = events(&app).await;
    let nothing = told(&mut stream).await;
    assert!(nothing.contains(r#""rows":[]"#), "{nothing}");
    write(&warehouse, "late", now_micros() - 120_000_000, 1).await;
    let late = told(&mut stream).await;
    assert!(late.contains(r#""late""#), "{late}");
    write(&warehouse, "soon", now_micros(), 2).await;
    let soon = told(&mut stream).await;
    assert!(soon.contains(r#""soon""#) && !soon.contains(r#""late""#), "{soon}");
    let again = tokio::time::timeout(Duration::from_secs(7), told(&mut stream)).await;
    assert!(again.is_err(), "{again:?}");
}
