//! One call, made again until it is answered or its patience ends.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use questline_events::limits::{GOOGLE_ATTEMPT, GOOGLE_PATIENCE};
use questline_stores::Cause;
use reqwest::{Client, RequestBuilder, Response, StatusCode, header::RETRY_AFTER};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use crate::SignIn;

/// Pauses between attempts: the first, and the longest that is not asked for.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// Whoever calls.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    sign_in: SignIn,
    patience: Duration,
}

/// What was said for good.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no answer in {0:?}")]
    Unavailable(Duration, #[source] Cause),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// An answer that may be another one soon.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {said}")]
struct Busy {
    status: StatusCode,
    said: String,
}

impl Caller {
    pub(crate) fn new(sign_in: SignIn) -> Result<Self, Cause> {
        let builder = Client::builder().connect_timeout(GOOGLE_ATTEMPT).timeout(GOOGLE_ATTEMPT);
        // A redirect would carry the token along.
        let client = builder.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client, sign_in, patience: GOOGLE_PATIENCE })
    }

    /// The answer to a request, of at most `most` bytes.
    pub(crate) async fn call(
        &self,
        request: impl Fn(&Client) -> RequestBuilder + Send + Sync,
        most: usize,
    ) -> Result<Answer, CallError> {
        let end = Instant::now() + self.patience;
        let mut pause = PAUSES.0;
        loop {
            let (cause, asked) = match timeout_at(end, self.attempt(&request, most)).await {
                Ok(Ok(answer)) if !is_busy(answer.0.status) => return Ok(answer.0),
                Ok(Ok((answer, after))) => {
                    (Busy { status: answer.status, said: said(&answer.body) }.into(), after)
                }
                Ok(Err(Failed::TooLarge)) => return Err(CallError::TooLarge(most)),
                Ok(Err(Failed::Cause(cause))) => (cause, None),
                Err(late) => (late.into(), None),
            };
            // Not all at the same moment again.
            let rest = asked.unwrap_or_else(|| pause.mul_f64(0.5 + fastrand::f64() / 2.0));
            if Instant::now() + rest >= end {
                return Err(CallError::Unavailable(self.patience, cause));
            }
            tracing::debug!(error = &*cause as &dyn std::error::Error, "google.again");
            sleep(rest).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn attempt(
        &self,
        request: &(impl Fn(&Client) -> RequestBuilder + Send + Sync),
        most: usize,
    ) -> Result<(Answer, Option<Duration>), Failed> {
        let token = self.sign_in.token().await?;
        let sent = request(&self.client).bearer_auth(token).send().await;
        let mut response = sent.map_err(|error| Failed::Cause(error.without_url().into()))?;
        let (status, after) = (response.status(), retry_after(&response));
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(None) => return Ok((Answer { status, body: body.freeze() }, after)),
                Ok(Some(chunk)) if body.len() + chunk.len() <= most => body.extend(chunk),
                Ok(Some(_)) => return Err(Failed::TooLarge),
                Err(error) => return Err(Failed::Cause(error.without_url().into())),
            }
        }
    }
}

enum Failed {
    Cause(Cause),
    TooLarge,
}

impl From<Cause> for Failed {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

fn is_busy(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The words of Google's error, or the head of whatever came.
pub(crate) fn said(body: &[u8]) -> String {
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    match error["error"]["message"].as_str() {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(body).chars().take(200).collect(),
    }
}
