//! `POST /v1/validate`: the checks of processing, a verdict per event, nothing stored.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use questline_events::{
    event::Recent,
    headers::Envelope,
    split::{inspect, refused_id, split},
    time,
};
use questline_runtime::problem::Problem;
use serde::Serialize;

use crate::{
    body::{admit, too_large, unreadable},
    events::Arrival,
    instance::Ingest,
};

#[derive(Debug, Default, Serialize)]
struct Verdicts {
    received: usize,
    accepted: usize,
    rejected: usize,
    dead_lettered: usize,
    results: Vec<EventVerdict>,
}

#[derive(Debug, Serialize)]
struct EventVerdict {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// Judges every event of a body.
pub(crate) fn validate(ingest: &Ingest, arrival: &Arrival) -> Result<Response, Problem> {
    let limits = &ingest.rules.limits;
    let body = split(&arrival.body).map_err(|error| unreadable(&error.to_string()))?;
    if body.events.len() > limits.request_events {
        return Err(too_large("request_events", limits.request_events));
    }
    admit(&arrival.key, arrival.address, body.events.len())?;
    let envelope = Envelope {
        app_id: Some(&arrival.key.app),
        received_at: arrival.received_at / 1_000 * 1_000,
        sent_at: body.sent_at.as_deref().and_then(time::parse),
        ..Envelope::default()
    };
    let mut verdicts = Verdicts { received: body.events.len(), ..Verdicts::default() };
    for (index, event) in body.events.into_iter().enumerate() {
        let names = inspect(event, limits);
        let named = names.as_ref().map_or_else(|_| refused_id(event), |names| names.id.clone());
        let id = named.map(Into::into);
        let judge = |_| ingest.rules.judge(event, &envelope, &mut Recent::default());
        let (verdict, count, fault) = match names.map(judge) {
            Ok(Ok(_)) => ("accepted", &mut verdicts.accepted, None),
            Ok(Err(fault)) => ("dead_lettered", &mut verdicts.dead_lettered, Some(fault)),
            Err(reason) => {
                let fault = questline_events::Fault::whole(reason);
                ("rejected", &mut verdicts.rejected, Some(fault))
            }
        };
        *count += 1;
        let reason = fault.as_ref().map(|fault| fault.reason.as_str());
        let detail = fault.map(|fault| fault.detail).unwrap_or_default();
        verdicts.results.push(EventVerdict { index, id, verdict, reason, detail });
    }
    Ok(Json(verdicts).into_response())
}
