//! What was sent, as the log keeps it: shown beside what it became.

use std::{fmt, sync::Arc};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::future::BoxFuture;
use questline_events::limits::{DASHBOARD_RECORDS, QUERY_TIMEOUT, RETRY_AFTER};
use questline_runtime::problem::Problem;
use questline_stores::{Record, Topic, log::Reader};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OnceCell, Semaphore};

use crate::state::Dashboard;

type Opening = BoxFuture<'static, anyhow::Result<Arc<dyn Reader>>>;

/// The log. It is opened when a record is first asked for: a page is there without it.
pub struct Sent {
    log: OnceCell<Arc<dyn Reader>>,
    open: Box<dyn Fn() -> Opening + Send + Sync>,
    places: Semaphore,
}

/// Where a record lies, as the row of its event has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    log: String,
    partition: u32,
    offset: i64,
}

impl Sent {
    /// The log that `open` opens; it is called again where it failed.
    pub fn new<F>(open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<Arc<dyn Reader>>> + Send + 'static,
    {
        Self {
            log: OnceCell::new(),
            open: Box::new(move || Box::pin(open())),
            places: Semaphore::new(DASHBOARD_RECORDS),
        }
    }

    async fn record(&self, place: &Place) -> anyhow::Result<Result<Record, Problem>> {
        let _place = self.places.acquire().await?;
        let log = self.log.get_or_try_init(|| (self.open)()).await?;
        if log.log_id() != place.log {
            let detail = format!("the record lies on another log, `{}`", place.log);
            return Ok(Err(Problem::new(StatusCode::NOT_FOUND, "log", detail)));
        }
        let found = log.record(place.partition, place.offset).await?;
        Ok(found.ok_or_else(|| {
            let days = Topic::Raw.retention().as_secs() / 86_400;
            let detail = format!(
                "the log has no record at {place} any more, or never had: what was sent is kept \
                 for {days} days"
            );
            Problem::new(StatusCode::NOT_FOUND, "record", detail)
        }))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}, offset {}", self.partition, self.offset)
    }
}

/// `GET /api/record?log=ID&partition=N&offset=N`: the bytes of one record.
pub(crate) async fn record(
    State(dashboard): State<Arc<Dashboard>>,
    place: Result<Query<Place>, QueryRejection>,
) -> Response {
    let Some(sent) = &dashboard.config.sent else {
        let detail = "the page knows no log: QUESTLINE_LOG is not set";
        return Problem::new(StatusCode::NOT_FOUND, "log", detail).into_response();
    };
    let place = match place {
        Ok(Query(place)) => place,
        Err(error) => {
            let detail = format!("log, partition and offset tell a record: {}", error.body_text());
            return Problem::new(StatusCode::BAD_REQUEST, "parameter", detail).into_response();
        }
    };
    match tokio::time::timeout(QUERY_TIMEOUT, sent.record(&place)).await {
        Ok(Ok(Ok(Record { value, .. }))) => {
            let value = value.map(|value| BASE64_STANDARD.encode(value));
            Json(json!({ "raw_base64": value })).into_response()
        }
        Ok(Ok(Err(problem))) => problem.into_response(),
        Ok(Err(error)) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "log", format!("{error:#}"))
                .header("retry-after", RETRY_AFTER.as_secs())
                .into_response()
        }
        Err(_) => {
            let detail = format!("the log did not answer within {QUERY_TIMEOUT:?}");
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail).into_response()
        }
    }
}
