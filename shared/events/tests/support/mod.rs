//! Judging one event as the pipeline does: first at the door, then in processing.

use questline_events::{
    Event, Reason, Rules,
    device::Devices,
    event::{Recent, Unregistered},
    headers::Envelope,
    limits::Limits,
    registry::Registry,
    split::inspect,
    time,
};

/// The moment at which all fixtures are received.
pub(crate) const RECEIVED_AT: &str = "2026-11-23T12:00:00Z";

/// The contract's rules, without lookups.
pub(crate) fn rules() -> Rules {
    Rules {
        limits: Limits::default(),
        registry: Registry::shipped().unwrap(),
        unregistered: Unregistered::Accept,
        geo: None,
        devices: Devices::default(),
    }
}

/// The envelope of an event of the app `local`.
pub(crate) fn envelope<'a>(received_at: &str, sent_at: Option<&str>) -> Envelope<'a> {
    Envelope {
        app_id: Some("local"),
        received_at: time::parse(received_at).unwrap(),
        sent_at: sent_at.map(|text| time::parse(text).unwrap()),
        ..Envelope::default()
    }
}

/// What became of an event.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict<'a> {
    Rejected(Reason),
    DeadLettered(Reason, String),
    Accepted(Box<Event<'a>>),
}

/// The door first; what it keeps goes to processing.
pub(crate) fn verdict<'a>(
    rules: &'a Rules,
    bytes: &'a [u8],
    envelope: &Envelope<'a>,
) -> Verdict<'a> {
    if let Err(reason) = inspect(bytes, &rules.limits) {
        return Verdict::Rejected(reason);
    }
    match rules.judge(bytes, envelope, &mut Recent::default()) {
        Ok(event) => Verdict::Accepted(Box::new(event)),
        Err(fault) => Verdict::DeadLettered(fault.reason, fault.detail),
    }
}
