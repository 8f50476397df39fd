//! `POST /v1/events`: from the request to the receipt.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use questline_events::{
    Fault,
    event::Recent,
    headers::{APP_ID, CLIENT_IP, Envelope, INGEST, RECEIVED_AT, S2S, SENT_AT, TRACEPARENT},
    split::{Names, inspect, refused_id, split},
    time,
};
use questline_runtime::{problem::Problem, telemetry};
use questline_stores::{Headers, NewRecord};
use serde::Deserialize;
use tracing::Instrument as _;

use crate::{
    body::{admit, read, too_large, unreadable},
    book::Request,
    deliver::Delivery,
    instance::Ingest,
    keys::Key,
    receipt::{EventReceipt, Receipt},
};

/// What the address line may say.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Params {
    key: Option<String>,
    receipts: Option<String>,
    strict: Option<String>,
}

/// What is asked for besides: whoever asks for something else is told so, not served something else.
#[derive(Debug, Clone, Copy)]
struct Asked {
    all_receipts: bool,
    strict: bool,
}

impl Params {
    fn asked(&self) -> Result<Asked, Problem> {
        let unknown = |name: &str, known: &str, value: &str| {
            let detail = format!("`{name}` is to be {known}, not `{value}`");
            Problem::new(StatusCode::BAD_REQUEST, "parameter", detail)
        };
        let all_receipts = match self.receipts.as_deref() {
            None => false,
            Some("all") => true,
            Some(other) => return Err(unknown("receipts", "`all`", other)),
        };
        let strict = match self.strict.as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(other) => return Err(unknown("strict", "`0` or `1`", other)),
        };
        Ok(Asked { all_receipts, strict })
    }
}

/// A request as far as the door has understood it.
pub(crate) struct Arrival {
    pub(crate) key: Arc<Key>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) received_at: i64,
    pub(crate) body: Bytes,
}

/// Who sends, and what: the part that storing and validating share. The first half of an error is
/// the app, where its key is known.
pub(crate) async fn arrive(
    ingest: &Ingest,
    params: &Params,
    headers: &HeaderMap,
    address: Option<IpAddr>,
    received_at: i64,
    body: Body,
) -> Result<Arrival, (Option<String>, Problem)> {
    let key = ingest
        .keys
        .authenticate(headers, params.key.as_deref())
        .map_err(|why| (None, Problem::new(StatusCode::UNAUTHORIZED, "unknown_key", why)))?;
    match read(headers, body, &ingest.rules.limits).await {
        Ok(body) => Ok(Arrival { key, address, received_at, body }),
        Err(problem) => Err((Some(key.app.clone()), problem)),
    }
}

/// Answers a request. Whatever the answer, the book has it.
pub(crate) async fn store(
    ingest: Arc<Ingest>,
    params: Params,
    headers: HeaderMap,
    address: Option<IpAddr>,
    received_at: i64,
    body: Body,
) -> Response {
    let request = ingest.book.enter(received_at);
    let arrived = arrive(&ingest, &params, &headers, address, received_at, body).await;
    let taken = arrived.and_then(|arrival| {
        let app = arrival.key.app.clone();
        let asked = params.asked().map_err(|problem| (Some(app.clone()), problem))?;
        take(&ingest, asked, &headers, &arrival, request.boot())
            .map_err(|problem| (Some(app), problem))
    });
    match taken {
        Ok(taken) => settle(&ingest, request, taken).await.into_response(),
        Err((app, problem)) => {
            request.refused(app.as_deref());
            problem.into_response()
        }
    }
}

/// What is to be stored, and what cannot be.
struct Taken {
    key: Arc<Key>,
    records: Vec<NewRecord>,
    receipts: Receipt,
    /// Place and id of each record's event, for receipts.
    names: Vec<(usize, Option<String>)>,
    all_receipts: bool,
}

fn take(
    ingest: &Ingest,
    asked: Asked,
    headers: &HeaderMap,
    arrival: &Arrival,
    boot: &str,
) -> Result<Taken, Problem> {
    let limits = &ingest.rules.limits;
    let split = split(&arrival.body).map_err(|error| unreadable(&error.to_string()))?;
    let events = split.events;
    if events.len() > limits.request_events {
        return Err(too_large("request_events", limits.request_events));
    }
    admit(&arrival.key, arrival.address, events.len())?;
    let sent_at = split.sent_at.as_deref().and_then(|text| Some((text, time::parse(text)?)));
    let envelope = Envelope {
        app_id: Some(&arrival.key.app),
        received_at: arrival.received_at / 1_000 * 1_000,
        sent_at: sent_at.map(|(_, at)| at),
        ..Envelope::default()
    };
    let block = record_headers(boot, headers, arrival, sent_at.map(|(text, _)| text));
    let mut taken = Taken {
        key: arrival.key.clone(),
        records: Vec::with_capacity(events.len()),
        receipts: Receipt { received: events.len(), ..Receipt::default() },
        names: Vec::new(),
        all_receipts: asked.all_receipts,
    };
    for (index, event) in events.into_iter().enumerate() {
        let inspected = inspect(event, limits)
            .map_err(|reason| (refused_id(event).map(Into::into), Fault::whole(reason)));
        let judged = inspected.and_then(|names| match asked.strict {
            true => match ingest.rules.judge(event, &envelope, &mut Recent::default()) {
                Ok(_) => Ok(names),
                Err(fault) => Err((names.id.map(Into::into), fault)),
            },
            false => Ok(names),
        });
        match judged {
            Ok(names) => taken.keep(index, &arrival.body, event, names, &block),
            Err((id, fault)) => {
                ingest.metrics.ingest_rejected.get_or_create(&fault.reason.as_str().into()).inc();
                taken.receipts.rejected += 1;
                taken.receipts.results.push(EventReceipt::rejected(index, id, fault));
            }
        }
    }
    Ok(taken)
}

impl Taken {
    /// The record: the event's bytes exactly as sent, on its player's partition.
    fn keep(
        &mut self,
        index: usize,
        body: &Bytes,
        event: &[u8],
        names: Names<'_>,
        headers: &Headers,
    ) {
        let key = names.user_id.map(|user| match user {
            std::borrow::Cow::Borrowed(user) => body.slice_ref(user.as_bytes()),
            std::borrow::Cow::Owned(user) => user.into(),
        });
        // A key is not the place for 32 KiB: what is longer than an id may be is dead anyway.
        let key = key.filter(|key| key.len() <= 1_024);
        self.records.push(NewRecord {
            key,
            value: Some(body.slice_ref(event)),
            headers: headers.clone(),
            ..NewRecord::default()
        });
        self.names.push((index, names.id.map(Into::into)));
    }
}

fn record_headers(
    boot: &str,
    headers: &HeaderMap,
    arrival: &Arrival,
    sent_at: Option<&str>,
) -> Headers {
    let received_at = (arrival.received_at / 1_000).to_string();
    let address = arrival.address.map(|address| address.to_string());
    let trace = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    // What becomes of the events belongs to this request, where that is told anybody.
    let own = trace.and_then(|_| telemetry::onward());
    let trace = own.as_deref().or(trace);
    let optional = [
        (CLIENT_IP, address.as_deref()),
        (SENT_AT, sent_at),
        (S2S, arrival.key.server_to_server.then_some("1")),
        (TRACEPARENT, trace.filter(|trace| telemetry::is_context(trace))),
    ];
    let needed =
        [(APP_ID, arrival.key.app.as_str()), (RECEIVED_AT, received_at.as_str()), (INGEST, boot)];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Headers::new(needed.into_iter().chain(optional).map(|(name, value)| (name, value.as_bytes())))
}

/// Waits for the log, counts, and writes the receipt. It goes on when the client goes away: what
/// the log keeps is to be counted.
async fn settle(ingest: &Arc<Ingest>, request: Request, taken: Taken) -> Receipt {
    let Taken { key, records, mut receipts, names, all_receipts } = taken;
    let delivery = Delivery {
        records,
        rejected: receipts.rejected,
        received: receipts.received,
        app: key.app.clone(),
    };
    let ingest = ingest.clone();
    let settled = async move { delivery.run(&ingest, request).await };
    let settled = tokio::spawn(settled.in_current_span());
    let statuses = settled.await.unwrap_or_default();
    receipts.stored = statuses.stored();
    receipts.deferred = names.len() - receipts.stored;
    if all_receipts || receipts.deferred > 0 {
        for (place, (index, id)) in names.into_iter().enumerate() {
            let status = statuses.of(place);
            if all_receipts || status != crate::receipt::Status::Stored {
                receipts.results.push(EventReceipt::settled(index, id, status));
            }
        }
    }
    receipts
}
