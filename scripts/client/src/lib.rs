#![doc = include_str!("../README.md")]

mod operator;
mod place;

use std::{
    io::{self, Write as _},
    net::Ipv4Addr,
    path::PathBuf,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
pub use operator::{Answer, Operator};
pub use place::Place;
use reqwest::header;
use serde::Deserialize;

/// How long a request may take: longer than ingest waits for the log.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered, or something else than expected.
    #[error("{url} does not answer")]
    Http {
        /// Who was asked, without the query.
        url: String,
        /// What happened.
        #[source]
        cause: reqwest::Error,
    },
    /// The operator's token is not in the data directory.
    #[error("no token in {}: name that stack's --data-dir", .directory.display())]
    Token {
        /// The data directory.
        directory: PathBuf,
        /// What happened.
        #[source]
        cause: io::Error,
    },
    /// The answer is a refusal.
    #[error("{detail}")]
    Refused {
        /// The status.
        status: u16,
        /// What the problem's detail says.
        detail: String,
    },
}

/// The fate of one event, as the receipt has it.
#[derive(Debug, Clone, Deserialize)]
pub struct EventReceipt {
    /// Place in the body.
    pub index: usize,
    /// `stored`, `rejected` or `deferred`.
    pub status: String,
    /// Why it is rejected.
    pub reason: Option<String>,
    /// Whether sending it again may help.
    pub retryable: bool,
}

/// The answer to a body of events.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Receipt {
    /// Events in the body.
    pub received: usize,
    /// Events that the log has acknowledged.
    pub stored: usize,
    /// Events that are not kept.
    pub rejected: usize,
    /// Events to be sent again.
    pub deferred: usize,
    /// Those that were not stored.
    pub results: Vec<EventReceipt>,
}

/// What ingest said.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A receipt, and how long to wait where events were deferred.
    Receipt(Receipt, Option<Duration>),
    /// The whole body was refused: status, detail, and how long to wait where that helps.
    Refused {
        /// The status.
        status: u16,
        /// What the problem's detail says.
        detail: String,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
}

/// The problem document of a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    detail: String,
}

/// A sender of events. Cloning is cheap and shares connections.
#[derive(Debug, Clone)]
pub struct Ingest {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Ingest {
    /// A sender to `url` (without a path) with a write key.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(url: &str, key: &str) -> Result<Self, ClientError> {
        let url = format!("{}/v1/events", url.trim_end_matches('/'));
        Ok(Self { http: http(&url)?, url, key: key.to_owned() })
    }

    /// Posts a body, compressed. `forwarded` is the address that a trusted proxy would name.
    ///
    /// # Errors
    /// If nobody answers.
    pub async fn post(
        &self,
        body: &[u8],
        forwarded: Option<Ipv4Addr>,
    ) -> Result<Reply, ClientError> {
        let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::fast());
        // Writing to a Vec cannot fail.
        let body = gzip.write_all(body).and_then(|()| gzip.finish()).unwrap_or_default();
        let mut request = self
            .http
            .post(&self.url)
            .header("x-api-key", &self.key)
            .header(header::CONTENT_ENCODING, "gzip")
            .body(body);
        if let Some(address) = forwarded {
            request = request.header("x-forwarded-for", address.to_string());
        }
        let failed = |cause| ClientError::Http { url: self.url.clone(), cause };
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let body = response.bytes().await.map_err(failed)?;
        // A receipt comes with 200 and with 503; everything else is a problem.
        if let Ok(receipt) = serde_json::from_slice(&body) {
            return Ok(Reply::Receipt(receipt, retry_after));
        }
        let Problem { detail } = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Reply::Refused { status, detail, retry_after })
    }
}

fn http(url: &str) -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        .build()
        .map_err(|cause| ClientError::Http { url: url.to_owned(), cause })
}
