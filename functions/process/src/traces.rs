//! What became of records that belong to a trace, told to whoever follows it.

use questline_events::{batch::Batch, headers::TRACEPARENT};
use questline_runtime::telemetry;
use questline_stores::Record;
use tracing::Level;

/// One span and one line for each record whose trace is kept, within that trace. Nobody listening,
/// nothing is looked at.
pub(crate) fn tell(batch: &Batch<'_>, records: &[Record]) {
    if !telemetry::exports() && !tracing::enabled!(Level::DEBUG) {
        return;
    }
    let accepted = batch.enriched.iter().map(|enriched| (enriched.index, "accepted"));
    let letters = batch.letters.iter().map(|letter| (letter.index, letter.fault.reason.as_str()));
    for (index, outcome) in accepted.chain(letters) {
        let Record { partition, offset, headers, .. } = &records[index];
        let trace = headers.get(TRACEPARENT).and_then(|trace| std::str::from_utf8(trace).ok());
        if let Some(traceparent) = trace.filter(|trace| telemetry::is_sampled(trace)) {
            let span = tracing::info_span!("process.record", traceparent, outcome);
            let _within = telemetry::span(span, traceparent).entered();
            tracing::debug!(outcome, partition, offset, "process.record");
        }
    }
}
