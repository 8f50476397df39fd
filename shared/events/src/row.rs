//! Rows of the warehouse as Arrow columns: the Rust side of the definitions under `sql/`, held
//! equal to them by a test.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{
        ArrayBuilder, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder,
        Float64Builder, Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
    },
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{
    Event, Fault, batch::Record, headers::Block, ledger, letter::headers_json,
    metrics::PRICE_SCALE, minutes, time,
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

macro_rules! builder {
    (Text) => {
        StringBuilder::new()
    };
    (Json) => {
        StringBuilder::new()
    };
    (Bytes) => {
        BinaryBuilder::new()
    };
    (Int) => {
        Int64Builder::new()
    };
    (Real) => {
        Float64Builder::new()
    };
    (Bool) => {
        BooleanBuilder::new()
    };
    (Date) => {
        Date32Builder::new()
    };
    (Moment) => {
        TimestampMicrosecondBuilder::new().with_data_type(data_type!(Moment))
    };
    (Money) => {
        Decimal128Builder::new().with_data_type(data_type!(Money))
    };
    (Texts) => {
        ListBuilder::new(StringBuilder::new())
    };
}

macro_rules! builder_type {
    (Text) => { StringBuilder };
    (Json) => { StringBuilder };
    (Bytes) => { BinaryBuilder };
    (Int) => { Int64Builder };
    (Real) => { Float64Builder };
    (Bool) => { BooleanBuilder };
    (Date) => { Date32Builder };
    (Moment) => { TimestampMicrosecondBuilder };
    (Money) => { Decimal128Builder };
    (Texts) => { ListBuilder<StringBuilder> };
}

macro_rules! data_type {
    (Text) => {
        DataType::Utf8
    };
    (Json) => {
        DataType::Utf8
    };
    (Bytes) => {
        DataType::Binary
    };
    (Int) => {
        DataType::Int64
    };
    (Real) => {
        DataType::Float64
    };
    (Bool) => {
        DataType::Boolean
    };
    (Date) => {
        DataType::Date32
    };
    (Moment) => {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    };
    (Money) => {
        DataType::Decimal128(38, PRICE_SCALE.cast_signed() as i8)
    };
    (Texts) => {
        DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))
    };
}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident = $table:literal { $($column:ident: $kind:tt $null:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name { $($column: builder_type!($kind),)+ }

        impl Default for $name {
            fn default() -> Self { Self { $($column: builder!($kind),)+ } }
        }

        impl $name {
            /// The table's name.
            pub const TABLE: &'static str = $table;

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
                let columns: Vec<ArrayRef> = vec![$(ArrayBuilder::finish(&mut self.$column),)+];
                RecordBatch::try_new(Self::schema(), columns)
            }
        }
    };
}

table! {
    /// Rows of `events`: one per accepted record.
    EventRows = "events" {
        event_id: Text "required",
        app_id: Text "required",
        user_id: Text "required",
        session_id: Text "null",
        event_type: Int "required",
        event_name: Text "null",
        timestamp: Moment "required",
        event_date: Date "required",
        event_hour: Int "required",
        day_of_week: Int "required",
        received_at: Moment "required",
        client_timestamp: Moment "null",
        parameters: Json "null",
        extras: Json "null",
        platform: Text "null",
        app_version: Text "null",
        country: Text "null",
        region: Text "null",
        city: Text "null",
        device_category: Text "null",
        device_tier: Text "null",
        is_paying_user: Bool "null",
        days_since_install: Int "null",
        level_id: Text "null",
        moves_used: Int "null",
        time_seconds: Real "null",
        boosters_used: Texts "null",
        duration_sec: Real "null",
        price_usd: Money "null",
        transaction_id: Text "null",
        counted: Bool "required",
        source_log: Text "required",
        source_partition: Int "required",
        source_offset: Int "required",
    }
}

impl EventRows {
    /// Adds the row of an accepted event. `counted`: its minute is in the parts.
    pub fn push(&mut self, event: &Event<'_>, source: Source<'_>, counted: bool) {
        self.event_id.append_value(&event.event_id);
        self.app_id.append_value(event.app_id);
        self.user_id.append_value(&event.user_id);
        self.session_id.append_option(event.session_id.as_deref());
        self.event_type.append_value(event.event_type);
        self.event_name.append_option(event.event_name);
        self.timestamp.append_value(event.timestamp);
        self.event_date.append_value(time::day(event.timestamp));
        self.event_hour.append_value(time::hour(event.timestamp));
        self.day_of_week.append_value(time::weekday(event.timestamp));
        self.received_at.append_value(event.received_at);
        self.client_timestamp.append_option(event.client_timestamp);
        self.parameters.append_option(event.parameters);
        self.extras.append_option(event.extras.as_deref());
        self.platform.append_option(event.platform.as_deref());
        self.app_version.append_option(event.app_version.as_deref());
        self.country.append_option(event.place.country);
        self.region.append_option(event.place.region);
        self.city.append_option(event.place.city);
        self.device_category.append_option(event.device_category);
        self.device_tier.append_option(event.device_tier);
        self.is_paying_user.append_option(event.is_paying_user);
        self.days_since_install.append_option(event.days_since_install);
        self.push_metrics(event);
        self.counted.append_value(counted);
        self.source_log.append_value(source.log_id);
        self.source_partition.append_value(i64::from(source.partition));
        self.source_offset.append_value(source.offset);
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
        self.transaction_id.append_option(metrics.transaction_id.as_deref());
    }

    /// Rows pushed so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.event_id.len()
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
        reason: Text "required",
        detail: Text "null",
        app_id: Text "null",
        held: Bool "required",
        attempts: Int "required",
        received_at: Moment "required",
        failed_at: Moment "required",
        function_version: Text "required",
        record_key: Bytes "null",
        raw: Bytes "null",
        headers: Json "required",
        source_log: Text "required",
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
        self.reason.append_value(fault.reason.as_str());
        self.detail.append_option(Some(&fault.detail).filter(|detail| !detail.is_empty()));
        self.app_id.append_option(record.envelope.app_id);
        self.held.append_value(held);
        self.attempts.append_value(record.envelope.attempts);
        self.received_at.append_value(record.envelope.received_at);
        self.failed_at.append_value(postmark.failed_at);
        self.function_version.append_value(postmark.function_version);
        self.record_key.append_option(record.key);
        self.raw.append_option(record.value);
        self.headers.append_value(headers_json(Block(record.headers.0)));
        self.source_log.append_value(source.log_id);
        self.source_partition.append_value(i64::from(source.partition));
        self.source_offset.append_value(source.offset);
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
        self.window_start.append_value(key.window_start);
        self.app_id.append_value(&key.app_id);
        self.event_type.append_value(key.event_type);
        self.level_id.append_option(key.level_id.as_deref());
        self.events.append_value(events);
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
        self.minute.append_value(row.minute);
        self.seq.append_option(row.seq);
        self.complete.append_value(row.complete);
        self.closing.append_value(row.closing);
        let counts = &row.counts;
        self.received.append_value(counts.received);
        self.stored.append_value(counts.stored);
        self.rejected.append_value(counts.rejected);
        self.deferred.append_value(counts.deferred);
        self.late.append_value(counts.late);
        self.failed.append_value(counts.failed);
        self.unknown.append_value(counts.unknown);
        self.refused_bodies.append_value(counts.refused_bodies);
        self.read.append_value(counts.read);
        self.accepted.append_value(counts.accepted);
        self.duplicate.append_value(counts.duplicate);
        self.dead_lettered.append_value(counts.dead_lettered);
        self.expired.append_value(counts.expired);
        self.written_at.append_value(written_at);
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
        self.loaded_at.append_value(loaded_at);
        self.function_version.append_value(function_version);
        self.lookup.append_value(lookup);
        self.version.append_value(version);
    }
}
