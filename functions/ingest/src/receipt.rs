//! The receipt: what became of each event.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use questline_events::{Fault, limits::RETRY_AFTER};
use serde::Serialize;

/// The fate of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// The log has acknowledged that very record.
    Stored,
    /// It cannot be kept, or in strict mode is not: sending it again changes nothing.
    Rejected,
    /// The log did not acknowledge it in time: send it again, with the same id.
    Deferred,
}

/// One line of a receipt.
#[derive(Debug, Serialize)]
pub(crate) struct EventReceipt {
    pub(crate) index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    pub(crate) retryable: bool,
}

impl EventReceipt {
    pub(crate) fn rejected(index: usize, id: Option<String>, fault: Fault) -> Self {
        let (reason, detail) = (Some(fault.reason.as_str()), fault.detail);
        Self { index, id, status: Status::Rejected, reason, detail, retryable: false }
    }

    pub(crate) fn settled(index: usize, id: Option<String>, status: Status) -> Self {
        let retryable = status == Status::Deferred;
        Self { index, id, status, reason: None, detail: String::new(), retryable }
    }
}

/// The answer to a request.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Receipt {
    pub(crate) received: usize,
    pub(crate) stored: usize,
    pub(crate) rejected: usize,
    pub(crate) deferred: usize,
    pub(crate) results: Vec<EventReceipt>,
}

impl IntoResponse for Receipt {
    fn into_response(mut self) -> Response {
        self.results.sort_unstable_by_key(|event| event.index);
        if self.deferred == 0 {
            return Json(self).into_response();
        }
        let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(self)).into_response();
        let seconds = HeaderValue::from(RETRY_AFTER.as_secs());
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
        response
    }
}
