//! What ingest answers.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use questline_runtime::{metrics::CONTENT_TYPE, problem::Problem, release};
use tower_http::cors::{Any, CorsLayer};

use crate::{
    address::client,
    body::unreadable,
    events::{Params, arrive, store},
    instance::Ingest,
    validate::validate,
};

/// How long a readiness probe may take.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

type Peer = Option<axum::Extension<ConnectInfo<SocketAddr>>>;

fn address(ingest: &Ingest, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer.map(|axum::Extension(ConnectInfo(peer))| peer);
    client(peer, headers, &ingest.trusted_proxies)
}

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
        .fallback(nothing)
        .layer(cors)
        .route("/healthz", get(release::alive))
        .route("/version", get(release::version))
        // Google's front end keeps some paths that end in z for itself: from outside it is `/ready`.
        .route("/ready", get(get_readyz))
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
    let (started, received_at) = (Instant::now(), ingest.clock.now_micros());
    let address = address(&ingest, peer, &headers);
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
    let received_at = ingest.clock.now_micros();
    let address = address(&ingest, peer, &headers);
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

async fn nothing(uri: Uri) -> Response {
    let path = uri.path();
    let detail = format!(
        "there is no {path} here: events go to /v1/events, /openapi.json tells of the rest"
    );
    Problem::new(StatusCode::NOT_FOUND, "route", detail).into_response()
}

async fn get_openapi() -> Response {
    let json = include_str!("../openapi.json");
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}
