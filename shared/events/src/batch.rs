//! One batch in, one outcome per record: parse → validate → enrich → deduplicate → window.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    Event, Fault, Reason, Rules,
    brake::Brake,
    enriched,
    event::{Oddities, Recent},
    ledger::{Page, Row, Tallies},
    letter::Letter,
    minutes::Minutes,
    record::Record,
    row::{EventRows, LetterRows, Postmark, ReadRows, ReprocessedRows, Source},
    split::inspect,
    window::{Identities, Identity, Window},
};

/// The one outcome of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It became a row.
    Accepted,
    /// Its identity is known already.
    Duplicate,
    /// It became a dead letter.
    DeadLettered(Reason),
    /// It is no event but a page of ingest's ledger.
    Page,
}

impl Outcome {
    /// The name in tables and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::DeadLettered(_) => "dead_lettered",
            Self::Page => "page",
        }
    }
}

/// How a record is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// By the rules and the window.
    Rules,
    /// The warehouse refused its row for its content.
    Refused,
    /// It was judged before a crash, and the tables have its rows, or all but some.
    Settled(Verdict, Missing),
    /// The tables have a row of it, in whose place comes what today's rules say: another one, in
    /// any case, so that no position that is counted vanishes.
    Anew {
        /// The row is one of `events`: its identity is known, whatever becomes of it.
        event: bool,
        /// Its minute is in the parts.
        counted: bool,
    },
}

/// What the tables say of a record that was judged before a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They hold it as an event.
    Event,
    /// They hold it as a dead letter.
    Letter,
    /// They hold it as neither.
    Duplicate,
}

/// Tables that do not have yet what a settled record adds to them; all have it where a batch is one
/// transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Parts of minutes; they are counted from the rows, as today's rules may see another minute.
    pub minutes: bool,
    /// What was brought back.
    pub reprocessed: bool,
    /// The ledger.
    pub ledger: bool,
}

impl Missing {
    /// Every table.
    pub const ALL: Self = Self { minutes: true, reprocessed: true, ledger: true };
}

impl Judgement {
    const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Settled(verdict, _) => Some(verdict),
            Self::Rules | Self::Refused | Self::Anew { .. } => None,
        }
    }

    /// The tables to which the record still adds something, beside its own row.
    const fn missing(self) -> Missing {
        match self {
            Self::Settled(_, missing) => missing,
            Self::Rules | Self::Refused | Self::Anew { .. } => Missing::ALL,
        }
    }
}

/// What is the same for every record of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// By what events are judged.
    pub rules: &'c Rules,
    /// The hash of identities.
    pub identities: &'c Identities,
    /// The log's id.
    pub log_id: &'c str,
    /// When, and by which release, the batch is judged.
    pub postmark: Postmark<'c>,
    /// The processor owns the partitions, so that minutes are written with the rows.
    pub counted: bool,
}

/// What moves with the log's transaction.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Records that are events.
    pub read: u64,
    /// Rows.
    pub accepted: u64,
    /// Known identities.
    pub duplicate: u64,
    /// Dead letters by reason, in the order of [`Reason::ALL`].
    pub dead_lettered: [u64; Reason::ALL.len()],
    /// Letters that are held.
    pub held: u64,
    /// What was odd about accepted events.
    pub oddities: Oddities,
}

impl Totals {
    /// Dead letters of all reasons.
    #[must_use]
    pub fn dead(&self) -> u64 {
        self.dead_lettered.iter().sum()
    }
}

/// An enriched event: its place in [`Batch::enriched_bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enriched {
    /// Which record of the batch.
    pub index: usize,
    /// Where its JSON ends; it begins where the one before ends.
    pub end: usize,
    /// The identity, for whoever rebuilds the window.
    pub identity: Identity,
}

/// A guess at the bytes of an enriched event, so that the buffer seldom grows.
const ENRICHED_BYTES: usize = 640;

/// The outcomes of one batch, while they grow.
#[derive(Debug)]
pub struct Batch<'c> {
    context: Context<'c>,
    recent: Recent<'c>,
    /// Rows of `events`.
    pub rows: EventRows,
    /// Which record of the batch each of them is.
    pub row_records: Vec<usize>,
    /// Rows of `events_dlq`.
    pub letter_rows: LetterRows,
    /// Rows of `events_reprocessed`.
    pub reprocessed_rows: ReprocessedRows,
    /// Counts per minute.
    pub minutes: Minutes,
    /// Counts of the ledger, where the processor owns the partitions.
    pub tallies: Tallies,
    /// What was read, where the platform owns the offsets: rows of `ledger_reads`.
    pub reads: ReadRows,
    /// Ledger rows that ingest sent.
    pub pages: Vec<Row>,
    /// Accepted events, in order.
    pub enriched: Vec<Enriched>,
    /// Their JSON, one after the other.
    pub enriched_bytes: Vec<u8>,
    /// Dead letters, in order.
    pub letters: Vec<Letter>,
    /// Sums for the metrics.
    pub totals: Totals,
}

impl<'c> Batch<'c> {
    /// An empty batch, with room for the outcomes of some records.
    #[must_use]
    pub fn new(context: Context<'c>, records: usize) -> Self {
        Self {
            context,
            recent: Recent::default(),
            rows: EventRows::with_capacity(records),
            row_records: Vec::with_capacity(records),
            letter_rows: LetterRows::default(),
            reprocessed_rows: ReprocessedRows::default(),
            minutes: Minutes::default(),
            tallies: Tallies::default(),
            reads: ReadRows::default(),
            pages: Vec::new(),
            enriched: Vec::with_capacity(records),
            enriched_bytes: Vec::with_capacity(records * ENRICHED_BYTES),
            letters: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// Takes the batch's record number `index`: exactly one outcome. Of what the tables hold
    /// already only the records to produce are made again.
    pub fn take(
        &mut self,
        index: usize,
        record: &Record<'_>,
        judgement: Judgement,
        window: &mut Window,
        brake: &mut Brake,
    ) -> Outcome {
        if record.envelope.ledger
            && let Some(page) = record.value.and_then(Page::read)
        {
            if judgement.missing().ledger {
                self.pages.extend(page.rows());
            }
            return Outcome::Page;
        }
        let outcome = self.judge(index, record, judgement, window, brake);
        let missing = judgement.missing();
        if missing.ledger {
            self.count(record, outcome);
        }
        if missing.reprocessed && record.envelope.reprocessed {
            let (source, postmark) = (self.source(record), self.context.postmark);
            self.reprocessed_rows.push(record, outcome.as_str(), source, postmark);
        }
        outcome
    }

    fn judge(
        &mut self,
        index: usize,
        record: &Record<'_>,
        judgement: Judgement,
        window: &mut Window,
        brake: &mut Brake,
    ) -> Outcome {
        // What the tables hold stands, also where today's rules would judge otherwise.
        match judgement {
            Judgement::Settled(Verdict::Duplicate, _) => return Outcome::Duplicate,
            Judgement::Refused => {
                let fault = Fault::whole(Reason::WarehouseRefused);
                return self.dead_letter(index, record, fault, judgement, brake);
            }
            Judgement::Rules | Judgement::Settled(..) | Judgement::Anew { .. } => {}
        }
        if let Some(letter) = record.envelope.letter
            && self.context.counted
        {
            let identity = self.context.identities.of_letter(letter, record.envelope.attempts);
            let fresh = window.insert(record.partition, record.log_time_ms, identity);
            if !fresh && judgement == Judgement::Rules {
                return Outcome::Duplicate;
            }
        }
        let rules: &'c Rules = self.context.rules;
        let value = record.value.unwrap_or_default();
        match rules.judge(value, &record.envelope, &mut self.recent) {
            Ok(_) if judgement.verdict() == Some(Verdict::Letter) => {
                let fault = Fault::whole(Reason::WarehouseRefused);
                self.dead_letter(index, record, fault, judgement, brake)
            }
            Ok(event) => self.accept(index, record, &event, judgement, window, brake),
            Err(_) if judgement.verdict() == Some(Verdict::Event) => {
                self.remember(index, record, window)
            }
            Err(fault) => {
                if matches!(judgement, Judgement::Anew { event: true, .. }) {
                    self.note(record, window);
                }
                self.dead_letter(index, record, fault, judgement, brake)
            }
        }
    }

    fn accept(
        &mut self,
        index: usize,
        record: &Record<'_>,
        event: &Event<'_>,
        judgement: Judgement,
        window: &mut Window,
        brake: &mut Brake,
    ) -> Outcome {
        if !record.envelope.reprocessed {
            brake.count(event.app_id, event.received_at, false);
        }
        let identity = self.context.identities.of(event.app_id, &event.event_id);
        // Who does not own the partition has seen only some of it: no window.
        let fresh =
            !self.context.counted || window.insert(record.partition, record.log_time_ms, identity);
        if judgement.verdict().is_none() {
            let (anew, counted) = match judgement {
                Judgement::Anew { counted, .. } => (true, counted),
                _ => (false, self.context.counted),
            };
            if !fresh && !anew {
                return Outcome::Duplicate;
            }
            self.rows.push(event, self.source(record), counted);
            self.row_records.push(index);
            if counted {
                self.minutes.count(event);
            }
        }
        enriched::write(event, &mut self.enriched_bytes);
        self.enriched.push(Enriched { index, end: self.enriched_bytes.len(), identity });
        let odd = &mut self.totals.oddities;
        odd.wrong_type += event.oddities.wrong_type;
        odd.unusable_metric += event.oddities.unusable_metric;
        odd.unregistered += event.oddities.unregistered;
        odd.lookup_failed += event.oddities.lookup_failed;
        Outcome::Accepted
    }

    /// An event of the tables that today's rules would refuse: its identity at least is known to
    /// whoever rebuilds the window.
    fn remember(&mut self, index: usize, record: &Record<'_>, window: &mut Window) -> Outcome {
        if let Some((app_id, event_id, identity)) = self.note(record, window) {
            let event = serde_json::json!({ "event_id": event_id, "app_id": app_id });
            self.enriched_bytes.extend_from_slice(event.to_string().as_bytes());
            self.enriched.push(Enriched { index, end: self.enriched_bytes.len(), identity });
        }
        Outcome::Accepted
    }

    /// Takes note of an identity, whatever else is wrong with the event.
    fn note<'r>(
        &self,
        record: &Record<'r>,
        window: &mut Window,
    ) -> Option<(&'r str, Cow<'r, str>, Identity)> {
        let names = inspect(record.value.unwrap_or_default(), &self.context.rules.limits).ok()?;
        let (app_id, event_id) = (record.envelope.app_id?, names.id?);
        let identity = self.context.identities.of(app_id, &event_id);
        window.insert(record.partition, record.log_time_ms, identity);
        Some((app_id, event_id, identity))
    }

    fn dead_letter(
        &mut self,
        index: usize,
        record: &Record<'_>,
        fault: Fault,
        judgement: Judgement,
        brake: &mut Brake,
    ) -> Outcome {
        let envelope = &record.envelope;
        // What is brought back says nothing about what an app sends now.
        let app = envelope.app_id.filter(|_| !envelope.reprocessed);
        let held = app.is_some_and(|app| brake.count(app, envelope.received_at, true));
        if judgement.verdict().is_none() {
            let source = self.source(record);
            self.letter_rows.push(record, &fault, held, source, self.context.postmark);
            self.totals.held += u64::from(held);
        }
        let reason = fault.reason;
        self.letters.push(Letter { index, fault, held });
        Outcome::DeadLettered(reason)
    }

    fn count(&mut self, record: &Record<'_>, outcome: Outcome) {
        if self.context.counted {
            self.tallies.count(&record.envelope, |tally| {
                tally.read += 1;
                match outcome {
                    Outcome::Accepted => tally.accepted += 1,
                    Outcome::Duplicate => tally.duplicate += 1,
                    Outcome::DeadLettered(_) => tally.dead_lettered += 1,
                    Outcome::Page => {}
                }
            });
        } else {
            self.reads.push(record, outcome.as_str(), self.source(record));
        }
        self.totals.read += 1;
        match outcome {
            Outcome::Accepted => self.totals.accepted += 1,
            Outcome::Duplicate => self.totals.duplicate += 1,
            Outcome::DeadLettered(reason) => self.totals.dead_lettered[reason as usize] += 1,
            Outcome::Page => {}
        }
    }

    const fn source(&self, record: &Record<'_>) -> Source<'c> {
        Source { log_id: self.context.log_id, partition: record.partition, offset: record.offset }
    }
}
