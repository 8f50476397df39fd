//! A batch of records under judgement, and what of it the metrics show.

use std::collections::HashSet;

use questline_events::{
    batch::{Batch, Judgement, Missing, Totals, Verdict},
    brake::Brake,
    headers::Envelope,
    minutes::Key,
    record,
    window::Window,
};
use questline_runtime::metrics::Metrics;
use questline_stores::{Headers, Record};

/// What is known of source positions that were judged before.
pub(crate) trait Before {
    /// How a record is to be judged.
    fn judgement(&self, partition: u32, offset: i64) -> Judgement;

    /// By what a settled event is counted.
    fn minute(&self, _partition: u32, _offset: i64) -> Option<&Key> {
        None
    }
}

/// Gives every record its one outcome.
pub(crate) fn judge(
    records: &[Record],
    refused: &HashSet<usize>,
    before: &impl Before,
    batch: &mut Batch<'_>,
    window: &mut Window,
    brake: &mut Brake,
) {
    // Records of a request stand together and share their headers: they are read once.
    let mut last: Option<(&Headers, i64, Envelope<'_>)> = None;
    for (index, record) in records.iter().enumerate() {
        let envelope = match &last {
            Some((headers, time, envelope))
                if *time == record.timestamp_ms && **headers == record.headers =>
            {
                *envelope
            }
            _ => Envelope::read(record.headers.block(), record.timestamp_ms),
        };
        last = Some((&record.headers, record.timestamp_ms, envelope));
        // What another owner has settled meanwhile stands, also what the warehouse refused us.
        let judgement = match before.judgement(record.partition, record.offset) {
            Judgement::Rules | Judgement::Anew { .. } if refused.contains(&index) => {
                Judgement::Refused
            }
            judgement => judgement,
        };
        if let Judgement::Settled(Verdict::Event, Missing { minutes: true, .. }) = judgement
            && let Some(key) = before.minute(record.partition, record.offset)
        {
            batch.minutes.add(key);
        }
        let record = record::Record {
            partition: record.partition,
            offset: record.offset,
            log_time_ms: record.timestamp_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: record.headers.block(),
            envelope,
        };
        batch.take(index, &record, judgement, window, brake);
    }
}

/// Shows what a batch came to, once it counts.
pub(crate) fn count(metrics: &Metrics, totals: &Totals, window: &Window, brake: &Brake) {
    for (outcome, count) in [
        ("accepted", totals.accepted),
        ("duplicate", totals.duplicate),
        ("dead_lettered", totals.dead()),
    ] {
        metrics.process_records.get_or_create(&outcome.into()).inc_by(count);
    }
    for (reason, count) in questline_events::Reason::ALL.iter().zip(totals.dead_lettered) {
        if count > 0 {
            metrics.process_dead_letters.get_or_create(&reason.as_str().into()).inc_by(count);
        }
    }
    let odd = &totals.oddities;
    for (oddity, count) in [
        ("wrong_type", odd.wrong_type),
        ("unusable_metric", odd.unusable_metric),
        ("unregistered", odd.unregistered),
        ("lookup_failed", odd.lookup_failed),
    ] {
        metrics.process_oddities.get_or_create(&oddity.into()).inc_by(count.into());
    }
    metrics.process_held_letters.inc_by(totals.held);
    metrics.process_window.set(i64::try_from(window.len()).unwrap_or(i64::MAX));
    let evicted = window.evicted_early();
    let known = metrics.process_window_evicted_early.get();
    metrics.process_window_evicted_early.inc_by(evicted.saturating_sub(known));
    metrics.process_brake.clear();
    for app in brake.pulled() {
        metrics.process_brake.get_or_create(&app.into()).set(1);
    }
}
