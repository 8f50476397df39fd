//! Rows of the warehouse as Arrow columns: the Rust side of the definitions under `sql/`, held
//! equal to them by a test.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{
        BinaryBuilder, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder,
        ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
    },
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{
    Event, Fault,
    column::{Column, Dates, Ints, Moments, Runs, column_type, data_type},
    headers::Block,
    ledger,
    letter::{headers_json, identity},
    metrics::PRICE_SCALE,
    minutes,
    record::Record,
    time,
};

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// The log's id.
    pub log_id: &'a str,
    /// Partition of the raw topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: i64,
}

/// The tables that processing writes, and their columns.
#[must_use]
pub fn written() -> [(&'static str, SchemaRef); 7] {
    [
        (EventRows::TABLE, EventRows::schema()),
        (MinuteRows::TABLE, MinuteRows::schema()),
        (LetterRows::TABLE, LetterRows::schema()),
        (ReprocessedRows::TABLE, ReprocessedRows::schema()),
        (LedgerRows::TABLE, LedgerRows::schema()),
        (ReadRows::TABLE, ReadRows::schema()),
        (LookupRows::TABLE, LookupRows::schema()),
    ]
}

macro_rules! table {
    (
        $(#[$doc:meta])* $name:ident = $table:literal { $($column:ident: $kind:tt $null:tt,)+ }
        $(then $derive:ident)?
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name { $($column: column_type!($kind $null),)+ }

        impl Default for $name {
            fn default() -> Self { Self::with_capacity(0) }
        }

        impl $name {
            /// The table's name.
            pub const TABLE: &'static str = $table;

            /// No rows yet, and room for some.
            #[must_use]
            pub fn with_capacity(rows: usize) -> Self {
                Self { $($column: Column::with_capacity(rows),)+ }
            }

            /// The table's columns in order.
            #[must_use]
            pub fn schema() -> SchemaRef {
                Arc::new(Schema::new(vec![
                    $(Field::new(stringify!($column), data_type!($kind), $null == "null"),)+
                ]))
            }

            /// The rows pushed so far, which are then gone from here.
            ///
            /// # Errors
            /// Never: every column was pushed once a row.
            pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
                $(self.$derive();)?
                let columns: Vec<ArrayRef> = vec![$(Column::finish(&mut self.$column),)+];
                RecordBatch::try_new(Self::schema(), columns)
            }
        }
    };
}

table! {
    /// Rows of `events`: one per accepted record.
    EventRows = "events" {
        event_id: Text "required",
        app_id: Runs "required",
        user_id: Runs "required",
        session_id: Runs "null",
        event_type: Int "required",
        event_name: Text "null",
        timestamp: Moment "required",
        event_date: Date "required",
        event_hour: Int "required",
        day_of_week: Int "required",
        received_at: Moment "required",
        client_timestamp: Moment "null",
        parameters: Json "null",
        extras: Runs "null",
        platform: Runs "null",
        app_version: Runs "null",
        country: Runs "null",
        region: Runs "null",
        city: Runs "null",
        device_category: Runs "null",
        device_tier: Runs "null",
        is_paying_user: Bool "null",
        days_since_install: Int "null",
        level_id: Text "null",
        moves_used: Int "null",
        time_seconds: Real "null",
        boosters_used: Texts "null",
        duration_sec: Real "null",
        price_usd: Money "null",
        transaction_id: Runs "null",
        counted: Bool "required",
        source_log: Runs "required",
        source_partition: Int "required",
        source_offset: Int "required",
    }
    then fill_calendar
}

impl EventRows {
    /// Adds the row of an accepted event. `counted`: its minute is in the parts.
    pub fn push(&mut self, event: &Event<'_>, source: Source<'_>, counted: bool) {
        self.event_id.append_value(&event.event_id);
        self.app_id.push(Some(event.app_id));
        self.user_id.push(Some(&event.user_id));
        self.session_id.push(event.session_id.as_deref());
        self.event_type.0.push(event.event_type);
        self.event_name.append_option(event.event_name);
        self.timestamp.0.push(event.timestamp);
        self.received_at.0.push(event.received_at);
        self.client_timestamp.append_option(event.client_timestamp);
        self.parameters.append_option(event.parameters);
        self.extras.push(event.extras.as_deref());
        self.platform.push(event.platform.as_deref());
        self.app_version.push(event.app_version.as_deref());
        self.country.push(event.place.country);
        self.region.push(event.place.region);
        self.city.push(event.place.city);
        self.device_category.push(event.device_category);
        self.device_tier.push(event.device_tier);
        self.is_paying_user.append_option(event.is_paying_user);
        self.days_since_install.append_option(event.days_since_install);
        self.push_metrics(event);
        self.counted.append_value(counted);
        self.source_log.push(Some(source.log_id));
        self.source_partition.0.push(i64::from(source.partition));
        self.source_offset.0.push(source.offset);
    }

    fn push_metrics(&mut self, event: &Event<'_>) {
        let metrics = &event.metrics;
        self.level_id.append_option(metrics.level_id.as_deref());
        self.moves_used.append_option(metrics.moves_used);
        self.time_seconds.append_option(metrics.time_seconds);
        if let Some(boosters) = &metrics.boosters_used {
            for booster in boosters {
                self.boosters_used.values().append_value(booster);
            }
        }
        self.boosters_used.append(metrics.boosters_used.is_some());
        self.duration_sec.append_option(metrics.duration_sec);
        self.price_usd.append_option(metrics.price_usd);
        self.transaction_id.push(metrics.transaction_id.as_deref());
    }

    /// The columns that follow from the timestamp, all at once: a loop of its own costs less than
    /// three more columns a row.
    fn fill_calendar(&mut self) {
        let timestamps = &self.timestamp.0;
        self.event_date.0.extend(timestamps.iter().map(|at| time::day(*at)));
        self.event_hour.0.extend(timestamps.iter().map(|at| time::hour(*at)));
        self.day_of_week.0.extend(timestamps.iter().map(|at| time::weekday(*at)));
    }

    /// Rows pushed so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamp.0.len()
    }

    /// `true` if no row was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

table! {
    /// Rows of `events_dlq`: one per dead letter and attempt.
    LetterRows = "events_dlq" {
        letter: Text "required",
        reason: Text "required",
        detail: Text "null",
        app_id: Runs "null",
        held: Bool "required",
        attempts: Int "required",
        received_at: Moment "required",
        failed_at: Moment "required",
        function_version: Runs "required",
        record_key: Bytes "null",
        raw: Bytes "null",
        headers: Json "required",
        source_log: Runs "required",
        source_partition: Int "required",
        source_offset: Int "required",
    }
}

/// What is the same for every letter of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Postmark<'a> {
    /// When the batch was judged, microseconds since 1970.
    pub failed_at: i64,
    /// The release that judged it.
    pub function_version: &'a str,
}

impl LetterRows {
    /// Adds the row of a dead letter.
    pub fn push(
        &mut self,
        record: &Record<'_>,
        fault: &Fault,
        held: bool,
        source: Source<'_>,
        postmark: Postmark<'_>,
    ) {
        let first = identity(source);
        match record.envelope.letter {
            Some(letter) => self.letter.append_value(letter),
            None => self.letter.append_value(first.to_string()),
        }
        self.reason.append_value(fault.reason.as_str());
        self.detail.append_option(Some(&fault.detail).filter(|detail| !detail.is_empty()));
        self.app_id.push(record.envelope.app_id);
        self.held.append_value(held);
        self.attempts.0.push(record.envelope.attempts);
        self.received_at.0.push(record.envelope.received_at);
        self.failed_at.0.push(postmark.failed_at);
        self.function_version.push(Some(postmark.function_version));
        self.record_key.append_option(record.key);
        self.raw.append_option(record.value);
        self.headers.append_value(headers_json(Block(record.headers.0)));
        self.source_log.push(Some(source.log_id));
        self.source_partition.0.push(i64::from(source.partition));
        self.source_offset.0.push(source.offset);
    }
}

table! {
    /// Rows of `events_reprocessed`: what became of letters that were brought back.
    ReprocessedRows = "events_reprocessed" {
        letter: Text "required",
        attempts: Int "required",
        outcome: Text "required",
        run: Text "null",
        app_id: Runs "null",
        judged_at: Moment "required",
        source_log: Runs "required",
        source_partition: Int "required",
        source_offset: Int "required",
    }
}

impl ReprocessedRows {
    /// Adds what became of a record, if it is a letter that was brought back.
    pub fn push(
        &mut self,
        record: &Record<'_>,
        outcome: &str,
        source: Source<'_>,
        postmark: Postmark<'_>,
    ) {
        let Some(letter) = record.envelope.letter else { return };
        self.letter.append_value(letter);
        self.attempts.0.push(record.envelope.attempts);
        self.outcome.append_value(outcome);
        self.run.append_option(record.envelope.run);
        self.app_id.push(record.envelope.app_id);
        self.judged_at.0.push(postmark.failed_at);
        self.source_log.push(Some(source.log_id));
        self.source_partition.0.push(i64::from(source.partition));
        self.source_offset.0.push(source.offset);
    }
}

table! {
    /// Rows of `ledger_reads`: a record that was read where the platform owns the offsets.
    ReadRows = "ledger_reads" {
        log_id: Runs "required",
        source_partition: Int "required",
        source_offset: Int "required",
        source: Runs "null",
        app_id: Runs "null",
        minute: Moment "required",
        outcome: Runs "required",
    }
}

impl ReadRows {
    /// Adds a record and what became of it.
    pub fn push(&mut self, record: &Record<'_>, outcome: &str, position: Source<'_>) {
        self.log_id.push(Some(position.log_id));
        self.source_partition.0.push(i64::from(position.partition));
        self.source_offset.0.push(position.offset);
        self.source.push(ledger::source(&record.envelope));
        self.app_id.push(record.envelope.app_id);
        self.minute.0.push(time::minute(record.envelope.received_at));
        self.outcome.push(Some(outcome));
    }
}

table! {
    /// Rows of `events_agg_1min`: one additive part per batch and key.
    MinuteRows = "events_agg_1min" {
        window_start: Moment "required",
        app_id: Text "required",
        event_type: Int "required",
        level_id: Text "null",
        events: Int "required",
    }
}

impl MinuteRows {
    /// Adds one part.
    pub fn push(&mut self, key: &minutes::Key, events: i64) {
        self.window_start.0.push(key.window_start);
        self.app_id.append_value(&key.app_id);
        self.event_type.0.push(key.event_type);
        self.level_id.append_option(key.level_id.as_deref());
        self.events.0.push(events);
    }
}

table! {
    /// Rows of `ledger`: one per hop, source, app, minute and time of writing.
    LedgerRows = "ledger" {
        log_id: Text "required",
        hop: Text "required",
        source: Text "null",
        app_id: Text "null",
        minute: Moment "required",
        seq: Int "null",
        complete: Bool "required",
        closing: Bool "required",
        received: Int "required",
        stored: Int "required",
        rejected: Int "required",
        deferred: Int "required",
        late: Int "required",
        failed: Int "required",
        unknown: Int "required",
        refused_bodies: Int "required",
        read: Int "required",
        accepted: Int "required",
        duplicate: Int "required",
        dead_lettered: Int "required",
        expired: Int "required",
        written_at: Moment "required",
    }
}

impl LedgerRows {
    /// Adds one row, written at `written_at` (microseconds since 1970).
    pub fn push(&mut self, log_id: &str, row: &ledger::Row, written_at: i64) {
        self.log_id.append_value(log_id);
        self.hop.append_value(row.hop.as_str());
        self.source.append_option(row.source.as_deref());
        self.app_id.append_option(row.app_id.as_deref());
        self.minute.0.push(row.minute);
        self.seq.append_option(row.seq);
        self.complete.append_value(row.complete);
        self.closing.append_value(row.closing);
        let counts = &row.counts;
        self.received.0.push(counts.received);
        self.stored.0.push(counts.stored);
        self.rejected.0.push(counts.rejected);
        self.deferred.0.push(counts.deferred);
        self.late.0.push(counts.late);
        self.failed.0.push(counts.failed);
        self.unknown.0.push(counts.unknown);
        self.refused_bodies.0.push(counts.refused_bodies);
        self.read.0.push(counts.read);
        self.accepted.0.push(counts.accepted);
        self.duplicate.0.push(counts.duplicate);
        self.dead_lettered.0.push(counts.dead_lettered);
        self.expired.0.push(counts.expired);
        self.written_at.0.push(written_at);
    }
}

table! {
    /// Rows of `lookup_versions`: one per start of a process and lookup.
    LookupRows = "lookup_versions" {
        loaded_at: Moment "required",
        function_version: Text "required",
        lookup: Text "required",
        version: Text "required",
    }
}

impl LookupRows {
    /// Adds one lookup, loaded at `loaded_at` (microseconds since 1970).
    pub fn push(&mut self, loaded_at: i64, function_version: &str, lookup: &str, version: &str) {
        self.loaded_at.0.push(loaded_at);
        self.function_version.append_value(function_version);
        self.lookup.append_value(lookup);
        self.version.append_value(version);
    }
}
