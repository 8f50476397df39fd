//! Trace context (W3C): from a request, through the log, to what became of it.

use std::{collections::HashMap, fmt};

use opentelemetry::{propagation::TextMapPropagator as _, trace::TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{
    Span, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// The header, and the field of a span that goes on with what it says.
pub const TRACEPARENT: &str = "traceparent";

/// What a `traceparent` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    /// 32 hexadecimal digits.
    pub(super) id: String,
    /// 16 of them.
    pub(super) span: String,
    pub(super) sampled: bool,
}

impl Trace {
    /// Reads `00-TRACE-SPAN-FLAGS`; whatever is of another form says nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let part = parts.next()?;
            let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
            (part.len() == length && part.bytes().all(hex)).then_some(part)
        };
        let (version, id, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let named = |id: &str| id.bytes().any(|c| c != b'0');
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (version != "ff" && named(id) && named(span)).then(|| Self {
            id: id.to_owned(),
            span: span.to_owned(),
            sampled: flags & 1 == 1,
        })
    }
}

/// Whether this is a trace context at all.
#[must_use]
pub fn is_context(traceparent: &str) -> bool {
    Trace::parse(traceparent).is_some()
}

/// Whether the trace that this context belongs to is kept.
#[must_use]
pub fn is_sampled(traceparent: &str) -> bool {
    Trace::parse(traceparent).is_some_and(|trace| trace.sampled)
}

/// A span that goes on with a trace. It is to have a field `traceparent`, which log lines within it
/// tell; where spans are exported it is a child of the one that the context names.
#[must_use]
pub fn span(span: Span, traceparent: &str) -> Span {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    // Without an exporter nobody takes it.
    _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    span
}

/// The context to be handed on from here: this span's own where spans are exported, or nothing.
#[must_use]
pub fn onward() -> Option<String> {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    let flags = span.trace_flags().to_u8();
    span.is_valid().then(|| format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()))
}

/// Keeps what the field `traceparent` of a span says, for the lines within it.
pub(super) struct Traces;

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Traces {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = Found(None);
        attributes.record(&mut found);
        if let (Some(trace), Some(span)) = (found.0, context.span(id)) {
            span.extensions_mut().insert(trace);
        }
    }
}

struct Found(Option<Trace>);

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == TRACEPARENT {
            self.0 = Trace::parse(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn what_is_no_context_says_nothing() {
        let good = format!("00-{ID}-b7ad6b7169203331-01");
        let trace = Trace::parse(&good).unwrap();
        assert_eq!((trace.id.as_str(), trace.span.as_str()), (ID, "b7ad6b7169203331"));
        assert!(trace.sampled && is_sampled(&good));
        assert!(!is_sampled(&good.replace("-01", "-00")));
        let zero = "0".repeat(32);
        for bad in [
            "".to_owned(),
            good.replace(ID, &zero),
            good.to_uppercase(),
            good.replace("00-", "ff-"),
            good.replace("b7ad6b7169203331", "0000000000000000"),
            good.replace('-', "_"),
            good[..54].to_owned(),
        ] {
            assert_eq!(Trace::parse(&bad), None, "{bad}");
        }
    }
}
