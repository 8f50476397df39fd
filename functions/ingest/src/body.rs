//! A request's body: read within its limits, decoded, and counted against the rate.

use std::net::IpAddr;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use questline_events::limits::{BODY_TIMEOUT, DRAIN_BYTES, Limits};
use questline_runtime::problem::Problem;

use crate::{
    admission::TooFast,
    decode::{Undecodable, decode},
    keys::Key,
};

/// Reads and decodes a body.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<Bytes, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    // Who waits to be told whether to send it, or would not end soon, is told at once.
    let waits = headers.contains_key(header::EXPECT);
    let most = limits.body_bytes;
    if length > most.saturating_add(DRAIN_BYTES) || (length > most && waits) {
        return Err(too_large("body_bytes", most));
    }
    let collected = collect(body, length, most);
    let body = match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(body) => body?,
        Err(_) => {
            let detail = format!("the body was not complete within {BODY_TIMEOUT:?}");
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail));
        }
    };
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    decode(encoding.unwrap_or_default(), body, limits.decompressed_bytes).map_err(|error| {
        match error {
            Undecodable::TooLarge => too_large("decompressed_bytes", limits.decompressed_bytes),
            Undecodable::Corrupt => unreadable("the body is not of its Content-Encoding"),
            Undecodable::Encoding(name) => {
                let detail = format!("`{name}`: send identity, gzip, deflate, br or zstd");
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", detail)
            }
        }
    })
}

/// All of a body, or why not: known once the client has sent it, so that it hears the answer.
async fn collect(mut body: Body, length: usize, most: usize) -> Result<Bytes, Problem> {
    let mut kept = BytesMut::with_capacity(length.min(most));
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| unreadable("the body ended before it was complete"))?;
        let data = frame.into_data().unwrap_or_default();
        seen += data.len();
        if seen > most.saturating_add(DRAIN_BYTES) {
            break;
        }
        if seen <= most {
            kept.extend_from_slice(&data);
        }
    }
    if seen > most { Err(too_large("body_bytes", most)) } else { Ok(kept.freeze()) }
}

/// Takes the tokens of a request's events.
pub(crate) fn admit(key: &Key, address: Option<IpAddr>, events: usize) -> Result<(), Problem> {
    key.admission.admit(address, events).map_err(|refusal| {
        let TooFast { whose, events_per_second, retry_after } = refusal;
        let seconds = retry_after.as_secs_f64().ceil().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few seconds"
        )]
        let seconds = seconds as u64;
        let detail = format!("this {whose} may send {events_per_second} events a second");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_events", detail)
            .with("limit", events_per_second)
            .header("retry-after", seconds)
            .header("ratelimit-limit", events_per_second.into())
            .header("ratelimit-remaining", 0)
            .header("ratelimit-reset", seconds)
    })
}

/// More than a limit allows; the limit is named, so that a client can halve its batch.
pub(crate) fn too_large(limit: &str, most: usize) -> Problem {
    let detail = format!("more than {limit} allows: {most}; send less at a time");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
        .with("limit", limit)
        .with("most", most)
}

/// A body that holds no events to answer for.
pub(crate) fn unreadable(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", detail)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    async fn length(bytes: usize, most: usize) -> Result<usize, StatusCode> {
        let limits = Limits { body_bytes: most, decompressed_bytes: 64 << 20, ..Limits::default() };
        let read = read(&HeaderMap::new(), Body::from(vec![b' '; bytes]), &limits).await;
        read.map(|body| body.len()).map_err(|problem| problem.into_response().status())
    }

    #[tokio::test]
    async fn a_body_is_whole_or_refused_whatever_the_limit() {
        for most in [1 << 20, DRAIN_BYTES, 2 * DRAIN_BYTES] {
            assert_eq!(length(most, most).await, Ok(most));
            for more in [1, DRAIN_BYTES, DRAIN_BYTES + 1] {
                let refused = length(most + more, most).await;
                assert_eq!(refused, Err(StatusCode::PAYLOAD_TOO_LARGE), "{most} + {more}");
            }
        }
    }
}
