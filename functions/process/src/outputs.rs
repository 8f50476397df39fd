//! What a judged batch becomes: rows for the warehouse, and a transaction for the log.

use bytes::Bytes;
use questline_events::{
    batch::Batch,
    headers::{
        ATTEMPTS, DETAIL, FAILED_AT, FUNCTION_VERSION, HELD, IDENTITY, REASON, SOURCE, TRACEPARENT,
    },
    ledger::Row,
    row::{EventRows, LedgerRows, LetterRows, MinuteRows, Postmark, ReadRows, ReprocessedRows},
};
use questline_stores::{
    Headers, NewRecord, Record, Topic,
    warehouse::{Advance, Rows},
};

/// The rows of a batch and its source positions. `more` are ledger rows that go with them.
pub(crate) fn rows(
    batch: &mut Batch<'_>,
    log_id: &str,
    more: &[Row],
    now: i64,
    positions: Vec<Advance>,
) -> Result<Rows, arrow_schema::ArrowError> {
    let mut minutes = MinuteRows::default();
    for (key, events) in std::mem::take(&mut batch.minutes).into_parts() {
        minutes.push(&key, events);
    }
    let mut ledger = LedgerRows::default();
    let tallies = std::mem::take(&mut batch.tallies).into_rows();
    for row in tallies.chain(batch.pages.drain(..)).chain(more.iter().cloned()) {
        ledger.push(log_id, &row, now);
    }
    let tables = vec![
        (EventRows::TABLE, batch.rows.finish()?),
        (LetterRows::TABLE, batch.letter_rows.finish()?),
        (ReprocessedRows::TABLE, batch.reprocessed_rows.finish()?),
        (ReadRows::TABLE, batch.reads.finish()?),
        (MinuteRows::TABLE, minutes.finish()?),
        (LedgerRows::TABLE, ledger.finish()?),
    ];
    Ok(Rows { log_id: log_id.to_owned(), tables, positions, places: None })
}

/// Enriched records and dead letters.
pub(crate) fn produced(
    batch: &mut Batch<'_>,
    records: &[Record],
    log_id: &str,
    postmark: Postmark<'_>,
) -> Vec<(Topic, NewRecord)> {
    let mut produced = Vec::with_capacity(batch.enriched.len() + batch.letters.len());
    let json = Bytes::from(std::mem::take(&mut batch.enriched_bytes));
    let mut start = 0;
    for enriched in &batch.enriched {
        let record = &records[enriched.index];
        let identity = enriched.identity.0.to_be_bytes();
        let trace = record.headers.get(TRACEPARENT).map(|trace| (TRACEPARENT, trace));
        let headers = [(IDENTITY, &identity[..])].into_iter().chain(trace);
        produced.push((
            Topic::Enriched,
            NewRecord {
                partition: Some(record.partition),
                timestamp_ms: Some(record.timestamp_ms),
                key: record.key.clone(),
                value: Some(json.slice(start..enriched.end)),
                headers: Headers::new(headers),
            },
        ));
        start = enriched.end;
    }
    for letter in &batch.letters {
        let record = &records[letter.index];
        let Record { partition, offset, .. } = record;
        let source = format!("{log_id}/{}/{partition}/{offset}", Topic::Raw.name());
        let failed_at = (postmark.failed_at / 1_000).to_string();
        let more = [
            (REASON, letter.fault.reason.as_str()),
            (DETAIL, &letter.fault.detail),
            (SOURCE, &source),
            (FAILED_AT, &failed_at),
            (FUNCTION_VERSION, postmark.function_version),
            (HELD, if letter.held { "1" } else { "0" }),
        ];
        let first = record.headers.get(ATTEMPTS).is_none().then_some((ATTEMPTS, "0"));
        let more = more.into_iter().chain(first);
        produced.push((
            Topic::Dlq,
            NewRecord {
                partition: None,
                timestamp_ms: None,
                key: record.key.clone(),
                value: record.value.clone(),
                headers: record.headers.and(more.map(|(name, value)| (name, value.as_bytes()))),
            },
        ));
    }
    produced
}
