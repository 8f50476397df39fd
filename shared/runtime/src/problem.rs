//! Errors of HTTP as `application/problem+json` (RFC 9457).

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// A refusal: what a client can do about it is in `detail`.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    members: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem with a stable short name and a text for people.
    #[must_use]
    pub fn new(status: StatusCode, name: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let members = [
            ("type", json!(format!("urn:questline:problem:{name}"))),
            ("title", json!(title)),
            ("status", json!(status.as_u16())),
            ("detail", json!(detail.into())),
        ];
        let members = members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        Self(Box::new(Parts { status, members, headers: HeaderMap::new() }))
    }

    /// Adds a member that a program can read.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: u64) -> Self {
        self.0.headers.insert(name, HeaderValue::from(value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts { status, members, headers } = *self.0;
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, headers, kind, Value::Object(members).to_string()).into_response()
    }
}
