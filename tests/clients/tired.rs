//! A server that tries a client's patience: it is away at first, takes few events at a time, loses an
//! answer, defers an event, and stands behind a gateway that speaks no JSON.

use std::{
    io::Read as _,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::Value;

/// Events that it takes at a time.
const MOST: usize = 50;

/// The place of the event that it defers; the first of that request it rejects.
pub(crate) const DEFERRED: usize = 3;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// 503 without a word; a second is to be waited.
    Away,
    /// 413.
    TooMany,
    /// 200.
    Stored,
    /// No answer.
    Lost,
    /// 503 with a receipt; a second is to be waited.
    Deferred,
    /// 502 with a page; when to come again is a date.
    Gateway,
}

/// What becomes of the first requests that are not too large.
const TURNS: [Turn; 5] = [Turn::Stored, Turn::Lost, Turn::Deferred, Turn::Stored, Turn::Gateway];

/// A request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(crate) turn: Turn,
    pub(crate) events: Vec<Value>,
    pub(crate) gzip: bool,
    pub(crate) arrived: Instant,
}

impl Tried {
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.events.iter().map(|event| event["id"].as_str().unwrap()).collect()
    }

    /// The ids of those that need not come again.
    pub(crate) fn settled(&self) -> Vec<&str> {
        let mut ids = self.ids();
        match self.turn {
            Turn::Stored => {}
            Turn::Deferred => _ = ids.remove(DEFERRED),
            _ => ids.clear(),
        }
        ids
    }
}

/// The server, and every request so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tired(Arc<Mutex<Vec<Tried>>>);

impl Tired {
    /// Listens; gives its address too.
    pub(crate) async fn start() -> (Self, String) {
        let tired = Self::default();
        let app = Router::new().route("/v1/events", post(take)).with_state(tired.clone());
        (tired, serve(app).await)
    }

    pub(crate) fn tried(&self) -> Vec<Tried> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, events: Vec<Value>, gzip: bool) -> Turn {
        let mut tried = self.0.lock().unwrap();
        let small = |tried: &&Tried| !matches!(tried.turn, Turn::Away | Turn::TooMany);
        let turn = match tried.iter().filter(small).count() {
            _ if tried.is_empty() => Turn::Away,
            _ if events.len() > MOST => Turn::TooMany,
            at => TURNS.get(at).copied().unwrap_or(Turn::Stored),
        };
        tried.push(Tried { turn, events, gzip, arrived: Instant::now() });
        turn
    }
}

/// Serves on a port of its own, as long as the test runs.
pub(crate) async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn take(State(tired): State<Tired>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["x-api-key"], "local");
    let gzip = headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip");
    let mut text = String::new();
    if gzip {
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    } else {
        (&body[..]).read_to_string(&mut text).unwrap();
    }
    let mut sent: Value = serde_json::from_str(&text).unwrap();
    assert!(sent["sent_at"].is_string(), "{sent}");
    let events: Vec<Value> = serde_json::from_value(sent["events"].take()).unwrap();
    let count = events.len();
    let second = [(RETRY_AFTER, "1")];
    match tired.note(events, gzip) {
        Turn::Away => (StatusCode::SERVICE_UNAVAILABLE, second, "").into_response(),
        Turn::TooMany => (StatusCode::PAYLOAD_TOO_LARGE, "{}").into_response(),
        Turn::Stored => receipt(count, 0, 0, "").into_response(),
        // The connection ends with its task.
        Turn::Lost => std::panic::resume_unwind(Box::new("lost")),
        Turn::Deferred => {
            let results = format!(
                r#"{{"index":0,"status":"rejected","reason":"too_deep","retryable":false}},{{"index":{DEFERRED},"status":"deferred","retryable":true}}"#
            );
            let receipt = receipt(count - 2, 1, 1, &results);
            (StatusCode::SERVICE_UNAVAILABLE, second, receipt).into_response()
        }
        Turn::Gateway => {
            let date = [(RETRY_AFTER, "Wed, 25 Nov 2026 10:00:00 GMT")];
            (StatusCode::BAD_GATEWAY, date, "<html></html>").into_response()
        }
    }
}

/// A receipt with its members in the order in which ingest writes them.
fn receipt(stored: usize, rejected: usize, deferred: usize, results: &str) -> String {
    let received = stored + rejected + deferred;
    format!(
        r#"{{"received":{received},"stored":{stored},"rejected":{rejected},"deferred":{deferred},"results":[{results}]}}"#
    )
}
