//! Asking a running local stack.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{ClientError, Place, Problem, http};

/// How long an answer may take: longer than the stack lets a query run.
const QUERY: Duration = Duration::from_secs(30);
/// How long a replay may take.
const REPLAY: Duration = Duration::from_secs(24 * 3_600);

/// The answer to a query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
}

/// The operator of a running local stack.
#[derive(Debug, Clone)]
pub struct Operator {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Operator {
    /// The operator of the stack of a place. `None` if none runs there.
    ///
    /// # Errors
    /// If no HTTP client can be made, or the token of a stack that was named is not there.
    pub fn of(place: &Place) -> Result<Option<Self>, ClientError> {
        let Some(url) = place.url() else { return Ok(None) };
        match place.token(None) {
            Ok(token) => Ok(Some(Self { http: http(&url)?, url, token })),
            Err(cause) if place.is_named() => {
                Err(ClientError::Token { directory: place.directory().to_owned(), cause })
            }
            Err(_) => Ok(None),
        }
    }

    /// Runs one SELECT.
    ///
    /// # Errors
    /// If the query is refused, or nobody answers.
    pub async fn query(&self, sql: &str) -> Result<Answer, ClientError> {
        self.ask("query", json!({ "sql": sql }), QUERY).await
    }

    /// Answers a saved question.
    ///
    /// # Errors
    /// If it cannot be asked so, or nobody answers.
    pub async fn saved(
        &self,
        name: &str,
        values: &[(String, String)],
    ) -> Result<Answer, ClientError> {
        self.ask("saved", json!({ "name": name, "values": values }), QUERY).await
    }

    /// Has the running minute's pages written, and waits until all that is in the log now is
    /// processed. `false` if that took longer than `deadline`.
    ///
    /// # Errors
    /// If nobody answers.
    pub async fn settle(&self, deadline: Duration) -> Result<bool, ClientError> {
        let body = json!({ "deadline_ms": deadline.as_millis() });
        let settled: Value = self.ask("settle", body, deadline + Duration::from_secs(10)).await?;
        Ok(settled["settled"] == true)
    }

    /// One call of reprocess: its request and its report, as JSON.
    ///
    /// # Errors
    /// If the request is refused, or nobody answers.
    pub async fn reprocess(&self, request: &Map<String, Value>) -> Result<Value, ClientError> {
        self.ask("reprocess", Value::Object(request.clone()), Duration::from_secs(60)).await
    }

    /// One call of the daily run: its request and its reports, as JSON.
    ///
    /// # Errors
    /// If the request is refused, or nobody answers.
    pub async fn daily(&self, request: &Value) -> Result<Value, ClientError> {
        self.ask("daily", request.clone(), Duration::from_secs(15 * 60)).await
    }

    /// One replay: its request, as JSON, and the lines of its answer, each as it comes; the last one
    /// is its end.
    ///
    /// # Errors
    /// If the request is refused, or nobody answers any more.
    pub async fn replay(
        &self,
        request: &Value,
        mut tell: impl FnMut(Value),
    ) -> Result<(), ClientError> {
        let (url, mut response) = self.post("replay", request, REPLAY).await?;
        let mut lines = Vec::new();
        let failed = |cause| ClientError::Http { url: url.clone(), cause };
        while let Some(some) = response.chunk().await.map_err(failed)? {
            lines.extend_from_slice(&some);
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.drain(..=end).collect();
                tell(serde_json::from_slice(&line).unwrap_or_default());
            }
        }
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        body: Value,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let (url, response) = self.post(what, &body, timeout).await?;
        response.json().await.map_err(|cause| ClientError::Http { url, cause })
    }

    /// The answer, if it is a good one.
    async fn post(
        &self,
        what: &str,
        body: &Value,
        timeout: Duration,
    ) -> Result<(String, reqwest::Response), ClientError> {
        let url = format!("{}/operator/{what}", self.url);
        let request = self.http.post(&url).bearer_auth(&self.token).json(body).timeout(timeout);
        let response = match request.send().await {
            Ok(response) => response,
            Err(cause) => return Err(ClientError::Http { url, cause }),
        };
        let status = response.status();
        if status.is_success() {
            return Ok((url, response));
        }
        let Problem { detail } = response.json().await.unwrap_or_default();
        Err(ClientError::Refused { status: status.as_u16(), detail })
    }
}
