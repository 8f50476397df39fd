//! An instance of ingest in this process, on a log whose reports the test makes.
#![allow(dead_code, reason = "every test uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use questline_ingest::{Ingest, app, config::Config, keys::Entry, keys::Keys};
use questline_runtime::{
    clock::{SystemClock, now_micros},
    config::Env,
    metrics::Metrics,
};
use questline_stores::{
    NewRecord, Topic,
    log::{Appender, Deliveries, LogError, Reporter},
};
use serde_json::Value;
use tower::ServiceExt as _;

/// A log that stores nothing by itself: the test reports what became of each append.
#[derive(Default)]
pub(crate) struct Reports {
    pub(crate) appends: Mutex<Vec<(Vec<NewRecord>, Reporter)>>,
}

#[async_trait]
impl Appender for Reports {
    fn append(&self, _: Topic, records: Vec<NewRecord>) -> Deliveries {
        let (reporter, deliveries) = Deliveries::of(records.len());
        self.appends.lock().unwrap().push((records, reporter));
        deliveries
    }

    async fn ready(&self) -> Result<(), LogError> {
        Err(LogError::Unavailable("the broker is away".into()))
    }
}

/// The key `local` may send `rate` events a second.
pub(crate) fn ingest(log: Arc<dyn Appender>, rate: u32) -> Ingest {
    let entry = Entry { address_events_per_second: rate, ..Entry::of("local", "local") };
    let keys = Keys::of(vec![Entry { events_per_second: rate, ..entry }], 500).unwrap();
    let config = Config::read(&Env::of([("QUESTLINE_KEYS", "[]")])).unwrap();
    let (metrics, clock) = (Arc::new(Metrics::default()), SystemClock::shared());
    Ingest::new(Config { keys, ..config }, log, metrics, clock)
}

/// The same, on a log of which nobody expects an answer in time.
pub(crate) fn impatient(log: Arc<dyn Appender>, rate: u32) -> Ingest {
    let mut ingest = ingest(log, rate);
    ingest.deadline = Duration::from_millis(50);
    ingest
}

/// An answer, and its body where that is JSON.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

pub(crate) async fn answer(ingest: &Arc<Ingest>, request: Request<Body>) -> Answer {
    let response = app(ingest.clone()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Answer { status: head.status, headers: head.headers, body }
}

/// A request with the key `local`.
pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("x-api-key", "local").body(body.into()).unwrap()
}

/// A good event.
pub(crate) fn event(id: &str) -> String {
    let now = questline_events::time::text(now_micros());
    format!(r#"{{"id":"{id}","user_id":"u","timestamp":"{now}","type":3002}}"#)
}

/// Waits for a condition, though not for ever.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}
