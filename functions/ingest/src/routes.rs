//! What ingest answers, and what it needs for that.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ipnet::IpNet;
use questline_events::{
    Rules,
    headers::{INGEST, KIND},
    ledger::Page,
};
use questline_runtime::{
    CancellationToken, TaskTracker,
    clock::now_micros,
    metrics::{CONTENT_TYPE, Metrics},
    problem::Problem,
};
use questline_stores::{Headers, NewRecord, Topic, log::Appender};
use tower_http::cors::{Any, CorsLayer};

use crate::{
    address::client,
    body::unreadable,
    book::Book,
    config::Config,
    deliver::DEADLINE,
    events::{Params, arrive, store},
    keys::Keys,
    validate::validate,
};

/// How long a readiness probe may take.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// One instance of ingest.
pub struct Ingest {
    pub(crate) appender: Arc<dyn Appender>,
    pub(crate) rules: Rules,
    pub(crate) keys: Keys,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) metrics_token: Option<String>,
    /// The book of this instance.
    pub book: Arc<Book>,
    pub(crate) metrics: Arc<Metrics>,
    /// How long a request waits for the log.
    pub deadline: Duration,
    /// On Lambda an instance may be frozen after every answer: its pages go with the request.
    pub page_per_request: bool,
    pub(crate) followers: TaskTracker,
    pub(crate) ending: CancellationToken,
}

impl Ingest {
    /// An instance that starts now.
    #[must_use]
    pub fn new(config: Config, appender: Arc<dyn Appender>, metrics: Arc<Metrics>) -> Self {
        let boot = uuid::Uuid::now_v7().to_string();
        Self {
            appender,
            rules: config.rules,
            keys: config.keys,
            trusted_proxies: config.trusted_proxies,
            metrics_token: config.metrics_token,
            book: Book::new(boot, now_micros()),
            metrics,
            deadline: DEADLINE,
            page_per_request: false,
            followers: TaskTracker::new(),
            ending: CancellationToken::new(),
        }
    }

    /// Says that the instance lives, then writes the pages of minutes that are over, every second,
    /// until it ends.
    pub async fn keep_book(&self) {
        loop {
            self.write_pages(false).await;
            let second = tokio::time::sleep(Duration::from_secs(1));
            if self.ending.run_until_cancelled(second).await.is_none() {
                return;
            }
        }
    }

    /// Sends what is in the book to the log; what it does not acknowledge is sent again.
    /// `running`: also the pages of minutes that are not over yet.
    pub async fn write_pages(&self, running: bool) -> bool {
        let mut pages = self.book.pages(now_micros(), running);
        if self.page_per_request {
            // A frozen instance may never wake: no page is to be waited for.
            for page in &mut pages {
                (page.complete, page.closing) = (true, true);
            }
        }
        self.send(pages).await
    }

    async fn send(&self, pages: Vec<Page>) -> bool {
        if pages.is_empty() {
            return true;
        }
        let headers = Headers::new([(KIND, &b"ledger"[..]), (INGEST, self.book.boot().as_bytes())]);
        let record = |page: &Page| NewRecord {
            // One partition for all pages of a boot: they stay in order.
            key: Some(self.book.boot().to_owned().into()),
            value: serde_json::to_vec(page).ok().map(Into::into),
            headers: headers.clone(),
            ..NewRecord::default()
        };
        let records: Vec<_> = pages.iter().map(record).collect();
        let sent = self.appender.append(Topic::Raw, records).all_stored(pages.len());
        let stored = tokio::time::timeout(self.deadline, sent).await.unwrap_or(false);
        if stored {
            self.book.sent(&pages);
        }
        stored
    }

    /// The end of an instance that answers no more: deferred events whose report has not come are
    /// unknown, and the last page closes the book.
    pub async fn end(&self, patience: Duration) {
        self.followers.close();
        // Reports that are on their way are waited for.
        _ = tokio::time::timeout(patience, self.followers.wait()).await;
        self.ending.cancel();
        self.followers.wait().await;
        if !self.send(self.book.close(now_micros())).await {
            tracing::error!("ingest.end: the last pages of the ledger were not stored");
        }
    }

    pub(crate) fn observe(&self, phase: &str, took: Duration) {
        self.metrics.ingest_duration.get_or_create(&phase.into()).observe(took.as_secs_f64());
    }

    fn address(
        &self,
        peer: Option<ConnectInfo<SocketAddr>>,
        headers: &HeaderMap,
    ) -> Option<IpAddr> {
        client(peer.map(|ConnectInfo(peer)| peer), headers, &self.trusted_proxies)
    }
}

type Peer = Option<axum::Extension<ConnectInfo<SocketAddr>>>;

/// The routes of an instance.
pub fn app(ingest: Arc<Ingest>) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::AUTHORIZATION,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("traceparent"),
        ])
        .expose_headers([
            header::RETRY_AFTER,
            HeaderName::from_static("ratelimit-limit"),
            HeaderName::from_static("ratelimit-remaining"),
            HeaderName::from_static("ratelimit-reset"),
        ])
        .max_age(Duration::from_secs(86_400));
    Router::new()
        .route("/v1/events", post(post_events))
        .route("/v1/validate", post(post_validate))
        .layer(cors)
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(get_readyz))
        .route("/metrics", get(get_metrics))
        .route("/openapi.json", get(get_openapi))
        .with_state(ingest)
}

async fn post_events(
    State(ingest): State<Arc<Ingest>>,
    peer: Peer,
    params: Result<Query<Params>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (started, received_at) = (Instant::now(), now_micros());
    let address = ingest.address(peer.map(|axum::Extension(peer)| peer), &headers);
    let response = match params {
        Ok(Query(params)) => {
            store(ingest.clone(), params, headers, address, received_at, body).await
        }
        Err(_) => {
            ingest.book.enter(received_at).refused(None);
            unreadable("the address line cannot be read").into_response()
        }
    };
    ingest.observe("request", started.elapsed());
    ingest.metrics.ingest_requests.get_or_create(&response.status().as_str().into()).inc();
    response
}

async fn post_validate(
    State(ingest): State<Arc<Ingest>>,
    peer: Peer,
    params: Result<Query<Params>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let received_at = now_micros();
    let address = ingest.address(peer.map(|axum::Extension(peer)| peer), &headers);
    let Ok(Query(params)) = params else {
        return unreadable("the address line cannot be read").into_response();
    };
    let arrived = arrive(&ingest, &params, &headers, address, received_at, body).await;
    let verdicts =
        arrived.map_err(|(_, problem)| problem).and_then(|arrival| validate(&ingest, &arrival));
    verdicts.unwrap_or_else(IntoResponse::into_response)
}

async fn get_readyz(State(ingest): State<Arc<Ingest>>) -> Response {
    match tokio::time::timeout(READY_TIMEOUT, ingest.appender.ready()).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => not_ready(&error.to_string()),
        Err(_) => not_ready("the log does not answer"),
    }
}

fn not_ready(why: &str) -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why).into_response()
}

/// Metrics are not for the public: loopback reads them, or whoever has the token.
async fn get_metrics(
    State(ingest): State<Arc<Ingest>>,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    let local = peer.is_some_and(|axum::Extension(ConnectInfo(peer))| peer.ip().is_loopback())
        && !headers.contains_key("x-forwarded-for");
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = bearer.and_then(|bearer| bearer.strip_prefix("Bearer "));
    let known = ingest.metrics_token.as_deref().is_some_and(|token| sent == Some(token));
    if !local && !known {
        let detail = "metrics are read on loopback, or with the token of the deployment";
        return Problem::new(StatusCode::UNAUTHORIZED, "metrics_token", detail).into_response();
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], ingest.metrics.text()).into_response()
}

async fn get_openapi() -> Response {
    let json = include_str!("../openapi.json");
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}
