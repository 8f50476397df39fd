//! How the message arrives: pushed by Pub/Sub, pulled from it, or by Lambda from SNS or EventBridge.
//! A call without a message looks after the jobs under way.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use aws_lambda_events::event::{eventbridge::EventBridgeEvent, sns::SnsEvent};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use questline_events::limits::{READY_BYTES, TRAINING_FOLLOW};
use questline_runtime::problem::Problem;
use questline_stores::{daily::MetricsReady, training::TrainerError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, Followed, Outcome, Trigger};

/// What EventBridge calls the message.
const DETAIL_TYPE: &str = "metrics ready";
/// What EventBridge calls its own schedules.
const SCHEDULED: &str = "Scheduled Event";

/// Pub/Sub's envelope of one message.
#[derive(Debug, Deserialize)]
struct Push {
    message: Message,
}

#[derive(Debug, Deserialize)]
struct Message {
    data: String,
}

/// What Lambda is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// What became of each message.
    Ready(Vec<Outcome>),
    /// How the jobs under way stand.
    Followed(Vec<Followed>),
}

/// `POST /push`: a message of Pub/Sub; `POST /follow`: a look at the jobs under way.
pub fn routes(trigger: Arc<Trigger>) -> Router {
    Router::new()
        .route("/push", post(pushed))
        .route("/follow", post(follow))
        .layer(DefaultBodyLimit::max(READY_BYTES))
        .with_state(trigger)
}

async fn pushed(State(trigger): State<Arc<Trigger>>, body: Bytes) -> Response {
    let message = match unwrapped(&body) {
        Ok(message) => message,
        Err(error) => {
            // It says the same however often it comes: the dead-letter topic keeps it.
            let detail = format!("{error:#}");
            tracing::error!(error = detail, "ml_trigger.unreadable");
            return Problem::new(StatusCode::BAD_REQUEST, "message", detail).into_response();
        }
    };
    match ready(&trigger, &message).await {
        Ok(outcome) => Json(outcome).into_response(),
        Err(failure) => problem(&failure),
    }
}

async fn follow(State(trigger): State<Arc<Trigger>>) -> Response {
    match followed(&trigger).await {
        Ok(jobs) => Json(jobs).into_response(),
        Err(failure) => problem(&failure),
    }
}

fn problem(failure: &Failure) -> Response {
    let status = match failure {
        Failure::Trainer(TrainerError::Refused(_)) | Failure::Misfit(_) | Failure::Manifest(..) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, "training", chain(failure)).into_response()
}

fn unwrapped(body: &[u8]) -> anyhow::Result<MetricsReady> {
    let push: Push = serde_json::from_slice(body).context("a push message")?;
    let data = BASE64_STANDARD.decode(push.message.data).context("its data")?;
    serde_json::from_slice(&data).context("that metrics are ready")
}

/// Answers one event of Lambda: notifications of SNS, an event of EventBridge, or a schedule.
///
/// # Errors
/// If it is none of them, or the message is to come again.
pub async fn invoked(trigger: Arc<Trigger>, event: Value) -> anyhow::Result<Answer> {
    if event.get("Records").is_some() {
        let event: SnsEvent = serde_json::from_value(event).context("an event of SNS")?;
        let mut outcomes = Vec::new();
        for record in event.records {
            let message = serde_json::from_str(&record.sns.message);
            outcomes.push(ready(&trigger, &message.context("that metrics are ready")?).await?);
        }
        return Ok(Answer::Ready(outcomes));
    }
    let event: EventBridgeEvent =
        serde_json::from_value(event).context("an event of EventBridge or SNS")?;
    match event.detail_type.as_str() {
        DETAIL_TYPE => {
            let message = serde_json::from_value(event.detail).context("that metrics are ready")?;
            Ok(Answer::Ready(vec![ready(&trigger, &message).await?]))
        }
        SCHEDULED => Ok(Answer::Followed(followed(&trigger).await?)),
        other => bail!("`{other}` is neither `{DETAIL_TYPE}` nor `{SCHEDULED}`"),
    }
}

/// Deals with a message that was pulled; `false` if it is to come again.
pub async fn pulled(trigger: Arc<Trigger>, data: Vec<u8>) -> bool {
    match serde_json::from_slice(&data) {
        Ok(message) => ready(&trigger, &message).await.is_ok(),
        Err(error) => {
            // The subscription's dead-letter topic keeps it after so many times.
            tracing::error!(error = &error as &dyn std::error::Error, "ml_trigger.unreadable");
            false
        }
    }
}

/// Does some work, and looks after the jobs under way meanwhile.
pub async fn while_following<T>(trigger: &Trigger, work: impl Future<Output = T> + Send) -> T {
    let following = async {
        loop {
            // Its failure is in the log, and the next look is another chance.
            _ = followed(trigger).await;
            tokio::time::sleep(TRAINING_FOLLOW).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = following => unreachable!("it has no end"),
    }
}

async fn ready(trigger: &Trigger, message: &MetricsReady) -> Result<Outcome, Failure> {
    let day = message.day.to_string();
    let outcome = trigger.ready(message).await;
    match &outcome {
        Ok(Outcome::GivenUp { job }) => tracing::error!(day, job, "ml_trigger.given_up"),
        Ok(outcome) => tracing::info!(day, outcome = shown(outcome), "ml_trigger.ready"),
        Err(failure) => tracing::error!(day, error = chain(failure), "ml_trigger.ready"),
    }
    outcome
}

async fn followed(trigger: &Trigger) -> Result<Vec<Followed>, Failure> {
    let followed = trigger.follow().await;
    match &followed {
        Ok(jobs) if jobs.is_empty() => {}
        Ok(jobs) => tracing::info!(jobs = shown(jobs), "ml_trigger.follow"),
        Err(failure) => tracing::error!(error = chain(failure), "ml_trigger.follow"),
    }
    followed
}

fn shown(what: &impl Serialize) -> String {
    serde_json::to_string(what).unwrap_or_default()
}

/// The failure and what is below it, in one line.
fn chain(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut below = std::error::Error::source(failure);
    while let Some(cause) = below {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        below = cause.source();
    }
    text
}
