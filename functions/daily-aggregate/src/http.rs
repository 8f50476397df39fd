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
use questline_events::limits::{DAILY_CALL, RETRY_AFTER};
use questline_runtime::problem::Problem;

use crate::{DailyRun, Failure, platform::Request};

/// `POST /run`: a [`Request`], answered by [`crate::platform::Reports`].
pub fn routes(daily: Arc<DailyRun>) -> Router {
    Router::new().route("/run", post(call)).with_state(daily)
}

async fn call(State(daily): State<Arc<DailyRun>>, body: Bytes) -> Response {
    answer(daily, &body).await
}

/// The answer to the body of a request: reports, or a problem. Whoever asked may go: what has begun
/// goes on.
pub async fn answer(daily: Arc<DailyRun>, body: &[u8]) -> Response {
    let body = if body.is_empty() { &b"{}"[..] } else { body };
    let request: Request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            return Problem::new(StatusCode::BAD_REQUEST, "request", error.to_string())
                .into_response();
        }
    };
    let called = tokio::spawn(async move { request.call(&daily, DAILY_CALL).await }).await;
    let failure = match called {
        Ok(Ok(reports)) => return Json(reports).into_response(),
        Ok(Err(failure)) => failure,
        Err(_) => {
            let detail = "the run panicked: the log tells where";
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "panic", detail)
                .into_response();
        }
    };
    let (status, name) = match &failure {
        Failure::Unusable(_) => (StatusCode::BAD_REQUEST, "request"),
        Failure::Busy(_) => (StatusCode::CONFLICT, "busy"),
        Failure::Warehouse(_) => (StatusCode::SERVICE_UNAVAILABLE, "warehouse"),
    };
    tracing::warn!(error = &failure as &dyn std::error::Error, "daily");
    let problem = Problem::new(status, name, failure.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return problem.header("retry-after", RETRY_AFTER.as_secs()).into_response();
    }
    problem.into_response()
}
