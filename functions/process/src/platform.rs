//! Records as platforms deliver them: Lambda's Kafka events, a Pub/Sub push, an array.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{
    DecodeError, Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use questline_events::limits::{KEY_BYTES, PUSH_BYTES, PUSH_PATIENCE, RECORD_BYTES};
use questline_runtime::problem::Problem;
use questline_stores::{Headers, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::Delivered;

/// An event of AWS Lambda's Kafka event source. Headers and keys may be missing, and bytes of
/// headers come signed.
#[derive(Debug, Deserialize)]
struct KafkaEvent {
    #[serde(default)]
    records: BTreeMap<String, Vec<KafkaRecord>>,
}

/// A record, as Lambda writes it; arrays that are pushed are of the same.
#[derive(Debug, Deserialize)]
struct KafkaRecord {
    partition: u32,
    offset: i64,
    #[serde(default)]
    timestamp: Option<i64>,
    #[serde(default)]
    key: Option<Value>,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    headers: Option<Vec<HashMap<String, Option<Vec<i16>>>>>,
}

/// Pub/Sub's envelope of one message. The Kafka connector writes source positions and headers into
/// the attributes.
#[derive(Debug, Deserialize)]
struct Push {
    message: Message,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    ordering_key: Option<String>,
}

/// What Lambda is told: from these records on, each partition is to come again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: Item,
}

#[derive(Debug, Serialize)]
struct Item {
    partition: String,
    offset: i64,
}

/// With its padding or without, as JSON's base64 may be.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// In either alphabet, whichever platform wrote it.
fn decoded(text: &str) -> Result<Vec<u8>, DecodeError> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text))
}

/// Bytes that were sent as base64; what is no base64 stays as it is, and is judged.
fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(decoded(&text).unwrap_or_else(|_| text.into_bytes()).into()),
        // A schema registry has decoded it.
        other => Some(other.to_string().into()),
    }
}

/// What a letter has room for.
fn kept(mut bytes: Bytes, most: usize) -> Bytes {
    bytes.truncate(most);
    bytes
}

fn record(record: KafkaRecord) -> Record {
    // A byte is -128 to 127, or 0 to 255, as the platform likes.
    let value = |bytes: Option<Vec<i16>>| {
        bytes.into_iter().flatten().map(|byte| byte.to_le_bytes()[0]).collect()
    };
    let headers: Vec<(String, Vec<u8>)> = record
        .headers
        .into_iter()
        .flatten()
        .flatten()
        .map(|(name, bytes)| (name, value(bytes)))
        .collect();
    Record {
        partition: record.partition,
        offset: record.offset,
        timestamp_ms: record.timestamp.unwrap_or(0),
        key: record.key.and_then(bytes).map(|key| kept(key, KEY_BYTES)),
        value: record.value.and_then(bytes).map(|value| kept(value, RECORD_BYTES)),
        headers: Headers::new(headers.iter().map(|(name, value)| (&**name, &**value))),
    }
}

fn message(message: Message) -> anyhow::Result<Record> {
    let attribute = |name: &str| {
        let text = message.attributes.get(name);
        text.with_context(|| {
            format!("the message has no attribute `{name}`: the connector is to publish metadata")
        })
    };
    let data = message.data.as_deref().map(decoded).transpose()?;
    let headers = message.attributes.iter().filter(|(name, _)| !name.starts_with("kafka."));
    Ok(Record {
        partition: attribute("kafka.partition")?.parse().context("kafka.partition")?,
        offset: attribute("kafka.offset")?.parse().context("kafka.offset")?,
        timestamp_ms: attribute("kafka.timestamp")?.parse().context("kafka.timestamp")?,
        key: message.ordering_key.clone().map(Into::into),
        value: data.map(|value| kept(value.into(), RECORD_BYTES)),
        headers: Headers::new(headers.map(|(name, value)| (&**name, value.as_bytes()))),
    })
}

/// A batch is given at least this long, whatever the platform says of its end.
const SHORTEST: Duration = Duration::from_secs(3);

/// Answers one event of Lambda's Kafka event source: what could not be kept is to come again, whole.
///
/// # Errors
/// If the event is none of the kind.
pub async fn invoked(
    delivered: Arc<Delivered>,
    event: Value,
    left: Duration,
) -> anyhow::Result<Failures> {
    let event: KafkaEvent = serde_json::from_value(event).context("a Kafka event")?;
    let mut records = Vec::new();
    let mut firsts = Vec::new();
    for (partition, of_partition) in event.records {
        if let Some(offset) = of_partition.iter().map(|record| record.offset).min() {
            firsts.push(Failure { item_identifier: Item { partition, offset } });
        }
        records.extend(of_partition.into_iter().map(record));
    }
    // A clock that differs from the platform's does not make every batch come again.
    let patience = left.saturating_sub(Duration::from_secs(2)).max(SHORTEST);
    let ends_at = Instant::now() + patience;
    let taken = delivered.take(&records, patience).await;
    housekeep(&delivered, ends_at).await;
    Ok(match taken {
        Ok(()) => Failures::default(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "process.delivered");
            Failures { batch_item_failures: firsts }
        }
    })
}

/// What is kept is answered in time, whether or not a minute could be closed: the next call closes it.
async fn housekeep(delivered: &Delivered, ends_at: Instant) {
    _ = tokio::time::timeout_at(ends_at, delivered.housekeep()).await;
}

/// `POST /process`: one Pub/Sub push message, or an array of records.
pub fn routes(delivered: Arc<Delivered>) -> Router {
    Router::new()
        .route("/process", post(pushed))
        .layer(DefaultBodyLimit::max(PUSH_BYTES))
        .with_state(delivered)
}

async fn pushed(State(delivered): State<Arc<Delivered>>, body: Bytes) -> Response {
    let records = match read(&body) {
        Ok(records) => records,
        Err(error) => {
            // It says the same however often it comes: the subscription's dead-letter topic keeps it.
            let detail = format!("{error:#}");
            tracing::error!(error = detail, "process.pushed");
            return Problem::new(StatusCode::BAD_REQUEST, "push", detail).into_response();
        }
    };
    let ends_at = Instant::now() + PUSH_PATIENCE;
    match delivered.take(&records, PUSH_PATIENCE).await {
        Ok(()) => {
            housekeep(&delivered, ends_at).await;
            Json(serde_json::json!({ "records": records.len() })).into_response()
        }
        Err(error) => {
            let detail = format!("{error:#}");
            tracing::error!(error = detail, "process.delivered");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).into_response()
        }
    }
}

fn read(body: &[u8]) -> anyhow::Result<Vec<Record>> {
    if body.trim_ascii_start().starts_with(b"[") {
        let records: Vec<KafkaRecord> = serde_json::from_slice(body).context("an array")?;
        return Ok(records.into_iter().map(record).collect());
    }
    let push: Push = serde_json::from_slice(body).context("a push message")?;
    Ok(vec![message(push.message)?])
}
