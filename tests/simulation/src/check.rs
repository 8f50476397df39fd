//! The promise, held against a world that has come to rest: every record has one verdict, every
//! event is one row, every number is its recount, and the ledger says so.

use std::collections::{BTreeMap, BTreeSet};

use questline_events::{
    headers::{ATTEMPTS, Envelope, IDENTITY, SOURCE},
    ledger::Counts,
    time::minute,
    window::Identities,
};
use questline_stores::{Record, Topic};

use crate::{
    log::Brokers,
    players::{Kind, Sent},
    tables::Tables,
};

/// What the checks found, and of how much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is wrong.
    pub problems: Vec<String>,
    /// Events sent.
    pub events: usize,
    /// Records of the raw topic that are events.
    pub records: usize,
    /// Rows of `events`.
    pub rows: usize,
    /// Rows of `events_dlq`.
    pub letters: usize,
    /// Minutes of boots that are proved.
    pub proved: usize,
    /// Minutes of boots of which nobody may say that nothing was lost.
    pub unproved: usize,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Row,
    Letter,
    Duplicate,
}

type Position = (u32, i64);
/// Boot or run, app, minute of `received_at`.
type Key = (Option<String>, Option<String>, i64);

/// Everything that is promised.
pub(crate) fn all(
    brokers: &mut Brokers,
    tables: &Tables,
    book: &BTreeMap<String, Sent>,
) -> Findings {
    let raw: Vec<Record> = brokers.topic(Topic::Raw).iter().flatten().cloned().collect();
    let events: Vec<&Record> = raw.iter().filter(|record| !envelope(record).ledger).collect();
    let mut findings = Findings {
        events: book.len(),
        records: events.len(),
        rows: tables.events.len(),
        letters: tables.letters.len(),
        ..Findings::default()
    };
    let fates = fates(&events, tables, &mut findings.problems);
    identities(&events, &fates, tables, book, &mut findings.problems);
    produced(brokers, tables, &mut findings.problems);
    minutes(tables, &mut findings.problems);
    counted(&events, &fates, tables, &mut findings);
    findings
}

fn envelope(record: &Record) -> Envelope<'_> {
    Envelope::read(record.headers.block(), record.timestamp_ms)
}

/// Each record has one outcome, and each row its record.
fn fates(
    events: &[&Record],
    tables: &Tables,
    problems: &mut Vec<String>,
) -> BTreeMap<Position, Fate> {
    let duplicate = |record: &&Record| ((record.partition, record.offset), Fate::Duplicate);
    let mut fates: BTreeMap<_, _> = events.iter().map(duplicate).collect();
    let rows = tables.events.iter().map(|event| (event.position, Fate::Row));
    let letters = tables.letters.iter().map(|letter| (letter.position, Fate::Letter));
    for (position, fate) in rows.chain(letters) {
        match fates.insert(position, fate) {
            Some(Fate::Duplicate) => {}
            Some(other) => problems.push(format!("{position:?} is {other:?} and {fate:?}")),
            None => problems.push(format!("{position:?} is {fate:?}, and no record")),
        }
    }
    fates
}

/// Each event is one row or one letter a record, as its kind is; what is stored is there.
fn identities(
    events: &[&Record],
    fates: &BTreeMap<Position, Fate>,
    tables: &Tables,
    book: &BTreeMap<String, Sent>,
    problems: &mut Vec<String>,
) {
    let mut rows = BTreeMap::<&str, usize>::new();
    for event in &tables.events {
        *rows.entry(&event.id).or_default() += 1;
    }
    let mut records = BTreeMap::<String, Vec<Fate>>::new();
    for record in events {
        let value = record.value.as_deref().unwrap_or_default();
        let event: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        records.entry(id).or_default().push(fates[&(record.partition, record.offset)]);
    }
    for (id, sent) in book {
        let found = rows.get(id.as_str()).copied().unwrap_or(0);
        let fates = records.get(id).map_or(&[][..], Vec::as_slice);
        if sent.stored && fates.is_empty() {
            problems.push(format!("{id} was stored, and is not in the log"));
        }
        let wanted = match sent.kind {
            Kind::Good | Kind::Level => usize::from(!fates.is_empty()),
            Kind::Bad | Kind::Spoilt => 0,
        };
        if found != wanted {
            problems.push(format!("{id} has {found} rows, and is to have {wanted}: {fates:?}"));
        }
        if wanted == 0 && fates.contains(&Fate::Duplicate) {
            problems.push(format!("{id} is taken for a duplicate of nothing"));
        }
    }
}

/// The topics have what the tables have, once.
fn produced(brokers: &mut Brokers, tables: &Tables, problems: &mut Vec<String>) {
    let identities = Identities::of_log("simulated");
    let header = |record: &Record, name: &str| {
        record.headers.get(name).map(<[u8]>::to_vec).unwrap_or_default()
    };
    let mut wanted: Vec<_> = tables
        .events
        .iter()
        .map(|event| identities.of("local", &event.id).0.to_be_bytes().to_vec())
        .collect();
    let enriched = brokers.topic(Topic::Enriched).iter().flatten();
    let mut found: Vec<_> = enriched.map(|record| header(record, IDENTITY)).collect();
    wanted.sort();
    found.sort();
    if wanted != found {
        problems.push(format!("{} rows, {} enriched records", wanted.len(), found.len()));
    }
    let source = |(partition, offset): Position| {
        format!("simulated/{}/{partition}/{offset}", Topic::Raw.name()).into_bytes()
    };
    let mut wanted: Vec<_> = tables.letters.iter().map(|letter| source(letter.position)).collect();
    let letters: Vec<_> = brokers.topic(Topic::Dlq).iter().flatten().collect();
    if letters.iter().any(|record| record.headers.get(ATTEMPTS).is_none()) {
        problems.push("a letter in the topic does not tell its attempts".to_owned());
    }
    let mut found: Vec<_> = letters.into_iter().map(|record| header(record, SOURCE)).collect();
    wanted.sort();
    found.sort();
    if wanted != found {
        problems.push(format!(
            "{} letters in the table, {} in the topic",
            wanted.len(),
            found.len()
        ));
    }
}

/// The parts of the minutes add up to the rows.
fn minutes(tables: &Tables, problems: &mut Vec<String>) {
    let mut recounted = BTreeMap::new();
    for event in &tables.events {
        *recounted.entry(event.counted_by.clone()).or_default() += 1;
    }
    if recounted != tables.minutes {
        let (is, rows) = (tables.minutes.values().sum::<i64>(), tables.events.len());
        problems.push(format!("minutes are not their recount: {is} events, {rows} rows"));
    }
}

/// Processing has counted what it read, and every boot's and run's pages say the same.
fn counted(
    events: &[&Record],
    fates: &BTreeMap<Position, Fate>,
    tables: &Tables,
    findings: &mut Findings,
) {
    let mut truth = BTreeMap::<Key, Counts>::new();
    for record in events {
        let envelope = envelope(record);
        let source = if envelope.reprocessed { envelope.run } else { envelope.boot };
        let at = minute(envelope.received_at);
        let key = (source.map(str::to_owned), envelope.app_id.map(str::to_owned), at);
        let counts = truth.entry(key).or_default();
        counts.read += 1;
        match fates[&(record.partition, record.offset)] {
            Fate::Row => counts.accepted += 1,
            Fate::Letter => counts.dead_lettered += 1,
            Fate::Duplicate => counts.duplicate += 1,
        }
    }
    let mut processed = BTreeMap::<Key, Counts>::new();
    let mut pages = BTreeMap::<Key, Counts>::new();
    let (mut complete, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for row in &tables.ledger {
        let key = (row.source.clone(), row.app.clone(), row.minute);
        match row.hop.as_str() {
            "process" => *processed.entry(key).or_default() += row.counts,
            // The same page sent twice is one page.
            "ingest" | "reprocess" if seen.insert((key.clone(), row.seq)) => {
                *pages.entry(key).or_default() += row.counts;
                if row.complete && row.hop == "ingest" {
                    complete.insert((row.source.clone(), row.minute));
                }
                if row.closing && row.hop == "reprocess" {
                    complete.insert((row.source.clone(), i64::MAX));
                }
            }
            _ => {}
        }
    }
    if processed != truth {
        findings.problems.push(format!("processing has counted {processed:?}, and read {truth:?}"));
    }
    let keys: BTreeSet<_> = pages.keys().chain(truth.keys()).collect();
    for key in keys {
        let page = pages.get(key).copied().unwrap_or_default();
        let read = truth.get(key).map_or(0, |counts| counts.read);
        let run = key.0.as_deref().is_some_and(|source| source.starts_with("reprocess-"));
        let written = complete.contains(&(key.0.clone(), if run { i64::MAX } else { key.2 }));
        if !run && page.received != page.stored + page.rejected + page.deferred {
            findings.problems.push(format!("ingest does not add up: {key:?} {page:?}"));
        }
        let open = page.deferred - page.late - page.failed - page.unknown;
        if !written || page.unknown > 0 || open > 0 {
            findings.unproved += 1;
            continue;
        }
        findings.proved += 1;
        if page.stored + page.late != read {
            findings.problems.push(format!("{key:?}: {page:?}, and {read} read"));
        }
    }
}
