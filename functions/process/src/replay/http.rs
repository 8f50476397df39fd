//! A replay as an HTTP answer: a line of JSON now and then, so that whoever asked sees it go on, and
//! the report as the last. Whoever goes away ends it, and nothing was changed.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use questline_events::limits::RETRY_AFTER;
use questline_runtime::problem::Problem;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{Failure, Replay, Request};

/// Lines that wait for whoever asked.
const LINES: usize = 16;

/// The answer to the body of a request: lines of `progress`, then one of `report` or `failure`; or a
/// problem, if nothing was begun.
pub async fn answer(replay: Arc<Replay>, body: &[u8]) -> Response {
    let request: Request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            return Problem::new(StatusCode::BAD_REQUEST, "request", error.to_string())
                .into_response();
        }
    };
    let (begun, planned) = oneshot::channel();
    let (send, lines) = mpsc::channel::<String>(LINES);
    tokio::spawn(async move {
        let work = async {
            let plan = match replay.plan(&request).await {
                Ok(plan) => plan,
                // Whoever asked may have gone.
                Err(failure) => {
                    _ = begun.send(Err(failure));
                    return;
                }
            };
            _ = begun.send(Ok(()));
            let carried_out = plan.carry_out(|progress| {
                // A word that finds no room is followed by another one.
                _ = send.try_send(line(&json!({ "progress": progress })));
            });
            let last = match carried_out.await {
                Ok(report) => json!({ "report": report }),
                Err(failure) => {
                    tracing::warn!(error = &failure as &dyn std::error::Error, "replay");
                    json!({ "failure": failure.to_string() })
                }
            };
            _ = send.send(line(&last)).await;
        };
        tokio::select! {
            () = work => {}
            () = send.closed() => tracing::warn!("replay: nobody waits for it any more"),
        }
    });
    match planned.await {
        Ok(Ok(())) => {
            let lines = stream::unfold(lines, async |mut lines| {
                let line = lines.recv().await?;
                Some((Ok::<_, Infallible>(line), lines))
            });
            ([("content-type", "application/x-ndjson")], Body::from_stream(lines)).into_response()
        }
        Ok(Err(failure)) => refused(&failure),
        Err(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "replay", "it ended").into_response()
        }
    }
}

fn line(value: &serde_json::Value) -> String {
    format!("{value}\n")
}

fn refused(failure: &Failure) -> Response {
    let (status, name) = match failure {
        Failure::Unusable(_) => (StatusCode::BAD_REQUEST, "request"),
        Failure::Busy => (StatusCode::CONFLICT, "busy"),
        Failure::Behind(_) => (StatusCode::SERVICE_UNAVAILABLE, "behind"),
        Failure::Log(_) | Failure::Gap(_) => (StatusCode::SERVICE_UNAVAILABLE, "log"),
        Failure::Warehouse(_) | Failure::Rows(_) => (StatusCode::SERVICE_UNAVAILABLE, "warehouse"),
    };
    tracing::warn!(error = failure as &dyn std::error::Error, "replay");
    let problem = Problem::new(status, name, failure.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return problem.header("retry-after", RETRY_AFTER.as_secs()).into_response();
    }
    problem.into_response()
}
