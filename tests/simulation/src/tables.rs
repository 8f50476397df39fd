//! What the simulated warehouse holds: as much of each table as the checks ask for.

use std::{collections::BTreeMap, ops::Range};

use arrow_array::{
    Array as _, RecordBatch, StringArray,
    cast::AsArray as _,
    types::{Int64Type, TimestampMicrosecondType},
};
use bytes::Bytes;
use questline_events::{
    ledger::Counts,
    letter::headers_block,
    minutes::Key,
    row::{EventRows, LedgerRows, LetterRows, MinuteRows, ReprocessedRows},
    time::minute,
};
use questline_stores::{
    Headers,
    declared::Appended,
    letters::{Cursor, Selection, WaitingLetter},
    warehouse::{Advance, Boot, LedgerState, Place, Rows, Settled, WarehouseError},
};

/// A row of `events`.
#[derive(Debug, Clone)]
pub struct Event {
    /// Where it comes from.
    pub position: (u32, i64),
    /// Its id.
    pub id: String,
    /// By what its minute is counted.
    pub counted_by: Minute,
}

/// By what a minute is counted: start, type, level.
pub type Minute = (i64, i64, Option<String>);

/// A row of `events_dlq`.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Where it comes from.
    pub position: (u32, i64),
    /// The letter as whoever brings it back has it.
    pub waiting: WaitingLetter,
}

/// A row of `ledger`.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    /// The hop that counted.
    pub hop: String,
    /// The boot or the run.
    pub source: Option<String>,
    /// The app.
    pub app: Option<String>,
    /// Start of the minute.
    pub minute: i64,
    /// Number of the page.
    pub seq: Option<i64>,
    /// Written for good.
    pub complete: bool,
    /// The last word.
    pub closing: bool,
    /// What was counted.
    pub counts: Counts,
    written_at: i64,
}

/// Every table.
#[derive(Debug, Default)]
pub struct Tables {
    /// `events`.
    pub events: Vec<Event>,
    /// `events_dlq`.
    pub letters: Vec<Letter>,
    /// `events_agg_1min`, summed.
    pub minutes: BTreeMap<Minute, i64>,
    /// `ledger`.
    pub ledger: Vec<LedgerRow>,
    /// `events_reprocessed`: letter and attempts.
    pub reprocessed: Vec<(String, i64)>,
    /// Next offset of each partition, where a batch is one transaction.
    pub positions: BTreeMap<u32, i64>,
    /// Streams by name, where it is not.
    streams: BTreeMap<String, Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    rows: i64,
    finalized: bool,
}

impl Tables {
    /// Writes a batch, all or nothing; `fenced`: only from where the writer believes the tables.
    pub(crate) fn write(&mut self, rows: &Rows, fenced: bool) -> Result<(), WarehouseError> {
        let stands = |moved: &Advance| self.positions.get(&moved.partition).copied() == moved.from;
        if fenced && !rows.positions.iter().all(stands) {
            return Err(WarehouseError::Fenced);
        }
        let events = rows.tables.iter().find(|(table, _)| *table == EventRows::TABLE);
        let spoilt = events.map_or_else(Vec::new, |(_, events)| spoilt(events));
        if !spoilt.is_empty() {
            return Err(WarehouseError::Refused(spoilt));
        }
        for (table, batch) in &rows.tables {
            self.append(table, batch);
        }
        self.positions.extend(rows.positions.iter().map(|moved| (moved.partition, moved.to)));
        Ok(())
    }

    /// A new stream of a table.
    pub(crate) fn stream(&mut self, table: &str) -> String {
        let name = format!("{table}/{}", self.streams.len());
        self.streams.insert(name.clone(), Stream::default());
        name
    }

    /// Appends to a stream; `fenced`: only if it is not finalized.
    pub(crate) fn append_to(&mut self, to: &Place, rows: &RecordBatch, fenced: bool) -> Appended {
        let Some(stream) = self.streams.get_mut(&to.stream) else { return Appended::Closed };
        if (stream.finalized && fenced) || to.row > stream.rows {
            return Appended::Closed;
        }
        if to.row < stream.rows {
            return Appended::There;
        }
        let spoilt = if to.table == EventRows::TABLE { spoilt(rows) } else { Vec::new() };
        if !spoilt.is_empty() {
            return Appended::Refused(spoilt);
        }
        stream.rows += i64::try_from(rows.num_rows()).unwrap_or(i64::MAX);
        self.append(&to.table, rows);
        Appended::There
    }

    /// Ends a stream, and tells its rows.
    pub(crate) fn finalize(&mut self, stream: &str) -> Option<i64> {
        let stream = self.streams.get_mut(stream)?;
        stream.finalized = true;
        Some(stream.rows)
    }

    /// Appends rows of a table.
    pub(crate) fn append(&mut self, table: &str, batch: &RecordBatch) {
        let columns = Columns(batch);
        for row in 0..batch.num_rows() {
            match table {
                EventRows::TABLE => self.events.push(columns.event(row)),
                LetterRows::TABLE => self.letters.push(columns.letter(row)),
                LedgerRows::TABLE => self.ledger.push(columns.ledger(row)),
                MinuteRows::TABLE => {
                    let key = columns.minute("window_start", row);
                    *self.minutes.entry(key).or_default() += columns.int("events", row);
                }
                ReprocessedRows::TABLE => {
                    let letter = columns.text("letter", row).unwrap_or_default();
                    self.reprocessed.push((letter, columns.int("attempts", row)));
                }
                _ => {}
            }
        }
    }

    /// Which source positions of some ranges the tables hold.
    pub(crate) fn settled(&self, ranges: &[(u32, Range<i64>)]) -> Vec<Settled> {
        let asked = |(partition, offset): (u32, i64)| {
            ranges.iter().any(|(asked, range)| *asked == partition && range.contains(&offset))
        };
        let event = |event: &Event| {
            let (window_start, event_type, level_id) = event.counted_by.clone();
            let level_id = level_id.map(Into::into);
            let key = Key { window_start, app_id: "local".into(), event_type, level_id };
            (event.position, Some(key))
        };
        let events = self.events.iter().map(event);
        let letters = self.letters.iter().map(|letter| (letter.position, None));
        let settled = |((partition, offset), minute): ((u32, i64), Option<Key>)| Settled {
            partition,
            offset,
            event: minute.is_some(),
            minute,
        };
        events.chain(letters).filter(|(position, _)| asked(*position)).map(settled).collect()
    }

    /// What the ledger knows of the log.
    #[must_use]
    pub fn ledger_state(&self) -> LedgerState {
        let closed = self.ledger.iter().filter(|row| row.hop == "closed");
        let mut boots = BTreeMap::<&str, (Boot, bool)>::new();
        for row in self.ledger.iter().filter(|row| row.hop == "ingest") {
            let Some(id) = row.source.as_deref() else { continue };
            let fresh = || {
                let (first_minute, last_written) = (row.minute, row.written_at);
                (Boot { id: id.to_owned(), first_minute, last_complete: None, last_written }, false)
            };
            let (boot, ended) = boots.entry(id).or_insert_with(fresh);
            boot.first_minute = boot.first_minute.min(row.minute);
            boot.last_written = boot.last_written.max(row.written_at);
            if row.complete {
                boot.last_complete = boot.last_complete.max(Some(row.minute));
            }
            *ended |= row.closing;
        }
        let living = boots.into_values().filter(|(_, ended)| !ended).map(|(boot, _)| boot);
        LedgerState { closed_through: closed.map(|row| row.minute).max(), boots: living.collect() }
    }

    /// Letters of a selection that wait, in their order: the view `letters`.
    pub(crate) fn waiting(&self, selection: &Selection, after: &Cursor) -> Vec<WaitingLetter> {
        let order = |cursor: &Cursor| (cursor.failed_at, cursor.letter.clone());
        let fits = |letter: &&Letter| {
            let Letter { waiting, .. } = letter;
            let identity = &waiting.cursor.letter;
            let again = (identity.clone(), waiting.attempts + 1);
            let twin = |other: &Letter| {
                other.waiting.cursor.letter == *identity
                    && other.waiting.attempts == waiting.attempts
                    && (other.waiting.cursor.failed_at, other.position)
                        < (waiting.cursor.failed_at, letter.position)
            };
            let reason = selection.reason.as_ref();
            !self.reprocessed.contains(&again)
                && !self.letters.iter().any(twin)
                && reason.is_none_or(|reason| *reason == waiting.reason)
                && selection.to.is_none_or(|to| waiting.cursor.failed_at < to)
                && order(&waiting.cursor) > order(after)
        };
        let mut waiting: Vec<_> =
            self.letters.iter().filter(fits).map(|letter| letter.waiting.clone()).collect();
        waiting.sort_by_key(|letter| order(&letter.cursor));
        waiting
    }
}

/// Rows that this warehouse refuses for their content.
fn spoilt(events: &RecordBatch) -> Vec<usize> {
    let columns = Columns(events);
    let refused = |row: &usize| columns.texts("event_id").value(*row).starts_with("spoilt");
    (0..events.num_rows()).filter(refused).collect()
}

/// The columns of a batch, by name.
struct Columns<'b>(&'b RecordBatch);

impl Columns<'_> {
    fn column(&self, name: &str) -> &arrow_array::ArrayRef {
        &self.0.columns()[self.0.schema_ref().index_of(name).unwrap_or(0)]
    }

    fn texts(&self, name: &str) -> &StringArray {
        self.column(name).as_string()
    }

    fn text(&self, name: &str, row: usize) -> Option<String> {
        let texts = self.texts(name);
        (!texts.is_null(row)).then(|| texts.value(row).to_owned())
    }

    fn int(&self, name: &str, row: usize) -> i64 {
        self.column(name).as_primitive::<Int64Type>().value(row)
    }

    fn moment(&self, name: &str, row: usize) -> i64 {
        self.column(name).as_primitive::<TimestampMicrosecondType>().value(row)
    }

    fn flag(&self, name: &str, row: usize) -> bool {
        self.column(name).as_boolean().value(row)
    }

    fn bytes(&self, name: &str, row: usize) -> Option<Bytes> {
        let bytes = self.column(name).as_binary::<i32>();
        (!bytes.is_null(row)).then(|| Bytes::copy_from_slice(bytes.value(row)))
    }

    fn position(&self, row: usize) -> (u32, i64) {
        let partition = u32::try_from(self.int("source_partition", row)).unwrap_or(u32::MAX);
        (partition, self.int("source_offset", row))
    }

    fn minute(&self, column: &str, row: usize) -> Minute {
        let start = minute(self.moment(column, row));
        (start, self.int("event_type", row), self.text("level_id", row))
    }

    fn event(&self, row: usize) -> Event {
        Event {
            position: self.position(row),
            id: self.text("event_id", row).unwrap_or_default(),
            counted_by: self.minute("timestamp", row),
        }
    }

    fn letter(&self, row: usize) -> Letter {
        let headers = headers_block(&self.text("headers", row).unwrap_or_default());
        let position = self.position(row);
        let waiting = WaitingLetter {
            cursor: Cursor {
                failed_at: self.moment("failed_at", row),
                letter: self.text("letter", row).unwrap_or_default(),
            },
            attempts: self.int("attempts", row),
            reason: self.text("reason", row).unwrap_or_default(),
            detail: self.text("detail", row),
            received_at: self.moment("received_at", row),
            key: self.bytes("record_key", row),
            value: self.bytes("raw", row),
            headers: Headers::from_block(headers.unwrap_or_default().into()),
            partition: position.0,
        };
        Letter { position, waiting }
    }

    fn ledger(&self, row: usize) -> LedgerRow {
        let count = |name| self.int(name, row);
        LedgerRow {
            hop: self.text("hop", row).unwrap_or_default(),
            source: self.text("source", row),
            app: self.text("app_id", row),
            minute: self.moment("minute", row),
            seq: Some(self.int("seq", row)).filter(|_| !self.column("seq").is_null(row)),
            complete: self.flag("complete", row),
            closing: self.flag("closing", row),
            counts: Counts {
                received: count("received"),
                stored: count("stored"),
                rejected: count("rejected"),
                deferred: count("deferred"),
                late: count("late"),
                failed: count("failed"),
                unknown: count("unknown"),
                refused_bodies: count("refused_bodies"),
                read: count("read"),
                accepted: count("accepted"),
                duplicate: count("duplicate"),
                dead_lettered: count("dead_lettered"),
                expired: count("expired"),
            },
            written_at: self.moment("written_at", row),
        }
    }
}
