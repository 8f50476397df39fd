//! The run as an HTTP route.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use questline_events::limits::RETRY_AFTER;
use questline_runtime::problem::Problem;

use crate::{Failure, Reprocess, Request};

/// `POST /v1/reprocess`: a [`Request`], answered by a [`crate::Report`].
pub fn routes(reprocess: Arc<Reprocess>) -> Router {
    Router::new().route("/v1/reprocess", post(call)).with_state(reprocess)
}

async fn call(State(reprocess): State<Arc<Reprocess>>, body: Bytes) -> Response {
    answer(&reprocess, &body).await
}

/// The answer to the body of a request: a [`crate::Report`], or a problem.
pub async fn answer(reprocess: &Reprocess, body: &[u8]) -> Response {
    let body = if body.is_empty() { &b"{}"[..] } else { body };
    let request: Request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            return Problem::new(StatusCode::BAD_REQUEST, "request", error.to_string())
                .into_response();
        }
    };
    let failure = match reprocess.call(&request).await {
        Ok(report) => return Json(report).into_response(),
        Err(failure) => failure,
    };
    let (status, name) = match &failure {
        Failure::Unusable(_) => (StatusCode::BAD_REQUEST, "request"),
        Failure::Busy => (StatusCode::CONFLICT, "busy"),
        Failure::Behind(_) => (StatusCode::SERVICE_UNAVAILABLE, "behind"),
        Failure::Log(_) => (StatusCode::SERVICE_UNAVAILABLE, "log"),
        Failure::Warehouse(_) => (StatusCode::SERVICE_UNAVAILABLE, "warehouse"),
    };
    tracing::warn!(error = &failure as &dyn std::error::Error, "reprocess");
    let problem = Problem::new(status, name, failure.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return problem.header("retry-after", RETRY_AFTER.as_secs()).into_response();
    }
    problem.into_response()
}
