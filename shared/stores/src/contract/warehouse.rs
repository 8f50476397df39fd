//! What every warehouse does. Each case takes a warehouse of its own.

use std::sync::Arc;

use arrow_array::RecordBatch;
use questline_events::{
    Rules,
    batch::{Batch, Context, Judgement},
    brake::Brake,
    device::Devices,
    event::Unregistered,
    headers::{Block, Envelope},
    ledger::{Counts, Hop, Page, Row},
    limits::Limits,
    record::Record,
    registry::Registry,
    row::{EventRows, LedgerRows, LetterRows, MinuteRows, Postmark},
    time,
    window::{Identities, Window},
};

use crate::{
    replay::{Known, Replace, Run, Span},
    warehouse::{Advance, Claim, Found, Query, QueryLimits, Rows, Warehouse, WarehouseError},
};

/// An open warehouse. Dropping it, without more, is a crash of the process that had it.
pub struct OpenWarehouse {
    /// Processing's side.
    pub warehouse: Arc<dyn Warehouse>,
    /// People's side.
    pub query: Arc<dyn Query>,
    /// Replay's side.
    pub replace: Arc<dyn Replace>,
    /// Makes some rows of `events` such that this warehouse refuses them for their content.
    pub spoil: fn(&RecordBatch, &[usize]) -> RecordBatch,
}

const NOON: &str = "2026-11-23T12:00:00Z";
const LIMITS: QueryLimits =
    QueryLimits { timeout: std::time::Duration::from_secs(60), rows: 1_000 };

/// The rows of some event texts, judged by the rules, on partition 3 from `offset` on.
fn rows(texts: &[&str], offset: i64) -> Rows {
    let rules = Rules {
        limits: Limits::default(),
        registry: Registry::shipped().unwrap(),
        unregistered: Unregistered::Accept,
        geo: None,
        devices: Devices::default(),
    };
    let identities = Identities::of_log("log");
    let noon = time::parse(NOON).unwrap();
    let postmark = Postmark { failed_at: noon, function_version: "test" };
    let context =
        Context { rules: &rules, identities: &identities, log_id: "log", postmark, counted: true };
    let (mut window, mut brake) = (Window::default(), Brake::default());
    let mut batch = Batch::new(context, texts.len());
    for (index, text) in texts.iter().enumerate() {
        let envelope = Envelope {
            app_id: Some("local"),
            received_at: noon,
            boot: Some("boot"),
            ..Envelope::default()
        };
        let record = Record {
            partition: 3,
            offset: offset + i64::try_from(index).unwrap(),
            log_time_ms: noon / 1_000,
            key: None,
            value: Some(text.as_bytes()),
            headers: Block::default(),
            envelope,
        };
        batch.take(index, &record, Judgement::Rules, &mut window, &mut brake);
    }
    let next = offset + i64::try_from(texts.len()).unwrap();
    let mut minutes = MinuteRows::default();
    for (key, events) in batch.minutes.into_parts() {
        minutes.push(&key, events);
    }
    let tables = vec![
        (EventRows::TABLE, batch.rows.finish().unwrap()),
        (LetterRows::TABLE, batch.letter_rows.finish().unwrap()),
        (MinuteRows::TABLE, minutes.finish().unwrap()),
        (LedgerRows::TABLE, ledger(&batch.tallies.into_rows().collect::<Vec<_>>())),
    ];
    Rows {
        log_id: "log".to_owned(),
        tables,
        positions: vec![Advance { partition: 3, from: None, to: next }],
        places: None,
    }
}

fn ledger(rows: &[Row]) -> RecordBatch {
    let mut ledger = LedgerRows::default();
    for row in rows {
        ledger.push("log", row, time::parse(NOON).unwrap());
    }
    ledger.finish().unwrap()
}

fn event(id: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{id}","user_id":"u","timestamp":"2026-11-23T11:59:30Z","type":1002,
        "parameters":{{"level_id":"7"{more}}}}}"#
    )
}

async fn answer(open: &OpenWarehouse, sql: &str) -> String {
    let answer = open.query.query(sql, LIMITS).await.unwrap();
    serde_json::to_string(&answer.rows).unwrap()
}

/// What the log knows of partition 3 at its beginning.
fn beginning() -> Claim {
    Claim { partition: 3, ..Claim::default() }
}

async fn recover(open: &OpenWarehouse, claim: &Claim) -> Found {
    open.warehouse.recover("log", std::slice::from_ref(claim)).await.unwrap().remove(0)
}

/// Takes the partition over, and declares rows: what the log knows then, and what is to be written.
async fn declare(open: &OpenWarehouse, claim: &Claim, mut rows: Rows) -> (Claim, Rows) {
    let found = recover(open, claim).await;
    for advance in &mut rows.positions {
        advance.from = found.at;
    }
    rows.places = open.warehouse.declare(&rows).await.unwrap();
    let declared = rows.places.clone().map(|places| (rows.positions[0].to, places));
    (Claim { declared, held: found.held, ..claim.clone() }, rows)
}

/// Writes rows whose transaction the log commits.
async fn write(open: &OpenWarehouse, rows: Rows) -> Result<(), WarehouseError> {
    let (_, rows) = declare(open, &beginning(), rows).await;
    open.warehouse.write(rows).await
}

/// Runs every case. `open` opens the warehouse of a name: a new one, or the one of that name again.
///
/// # Panics
/// If the warehouse breaks the contract.
pub async fn suite(open: impl AsyncFn(&str) -> OpenWarehouse) {
    rows_come_back_as_they_went(&open("rows").await).await;
    what_was_written_is_known_after_a_crash(&open).await;
    what_a_crash_left_out_is_known(&open).await;
    who_is_behind_writes_nothing(&open("fence").await).await;
    what_is_tried_twice_is_written_once(&open("twice").await).await;
    content_at_fault_is_named_and_nothing_written(&open("content").await).await;
    the_first_received_wins(&open("unique").await).await;
    minutes_are_summed(&open("minutes").await).await;
    the_ledger_finds_what_is_lost(&open("ledger").await).await;
    rows_take_the_place_of_others(&open).await;
    a_copy_stays_a_copy_and_what_was_lost_comes_back(&open("copies").await).await;
}

async fn rows_come_back_as_they_went(open: &OpenWarehouse) {
    let text = r#"{"id":"é😀\u0001","user_id":"a\u0000b","timestamp":"2026-11-23T13:29:30.25+01:30",
        "type":2001,"parameters":{"price_usd":4.99,"transaction_id":"t","boosters_used":["x","y"],
        "big":1e999},"session_id":"s","extra":{"a":[1]},"is_paying_user":true}"#;
    write(open, rows(&[text, "{}"], 5)).await.unwrap();
    let found = answer(
        open,
        "SELECT event_id, user_id, timestamp, event_date, event_hour, price_usd, transaction_id,
                boosters_used, is_paying_user, level_id, source_partition, source_offset, counted
         FROM events",
    )
    .await;
    assert_eq!(
        found,
        r#"[["é😀\u0001","a\u0000b","2026-11-23T11:59:30.250Z","2026-11-23",11,4.99,"t",["x","y"],true,null,3,5,true]]"#
            .replace("\"2026-11-23T11:59:30.250Z\"", &moment(&found))
    );
    let dead =
        answer(open, "SELECT reason, detail, app_id, source_offset, held FROM events_dlq").await;
    assert_eq!(dead, r#"[["missing_field","id","local",6,false]]"#);
}

/// The third value of the first row, if it is the moment it should be however it is written.
fn moment(rows: &str) -> String {
    let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(rows).unwrap();
    assert_eq!(time::parse(rows[0][2].as_str().unwrap()), time::parse("2026-11-23T11:59:30.25Z"));
    rows[0][2].to_string()
}

/// Offsets, and whether each is an event, or else a letter.
fn verdicts(found: &Found) -> Vec<(i64, bool)> {
    let mut rows: Vec<_> = found.rows.iter().map(|row| (row.offset, row.event)).collect();
    rows.sort_unstable();
    rows
}

async fn what_was_written_is_known_after_a_crash(open: &impl AsyncFn(&str) -> OpenWarehouse) {
    let first = open("positions").await;
    assert_eq!(recover(&first, &beginning()).await.held, []);
    let texts = [&event("a", ""), "no", &event("a", ""), &event("b", "")];
    let claim = Claim { next_offset: 10, ..beginning() };
    let (claim, batch) = declare(&first, &claim, rows(&texts, 10)).await;
    first.warehouse.write(batch).await.unwrap();
    drop(first);
    let again = open("positions").await;
    for _ in 0..2 {
        let found = recover(&again, &claim).await;
        let [held] = found.held.clone().try_into().unwrap();
        assert_eq!((held.until, held.complete, held.missing.ledger), (14, true, false));
        assert!(!held.missing.minutes);
        let known = [(10, true), (11, false), (13, true)];
        assert_eq!(verdicts(&found), known, "12 was a duplicate: no table holds it");
    }
    let other = again.warehouse.recover("other", &[beginning()]).await.unwrap();
    assert_eq!((other[0].at, &other[0].held[..]), (None, &[][..]));
    // Committed: nothing is left to be known.
    let done = recover(&again, &Claim { next_offset: 14, ..beginning() }).await;
    assert_eq!((done.held, done.rows), (vec![], vec![]));
}

/// Only where the tables of a batch are not one transaction.
async fn what_a_crash_left_out_is_known(open: &impl AsyncFn(&str) -> OpenWarehouse) {
    let texts = [&event("a", ""), "no", &event("b", "")];
    for (tables, complete) in [(0, None), (1, Some(false)), (2, Some(true)), (3, Some(true))] {
        let name = format!("parts-{tables}");
        let first = open(&name).await;
        let (claim, mut batch) = declare(&first, &beginning(), rows(&texts, 0)).await;
        if batch.places.is_none() {
            return;
        }
        batch.tables.truncate(tables);
        first.warehouse.write(batch).await.unwrap();
        drop(first);
        let again = open(&name).await;
        let found = recover(&again, &claim).await;
        let held = found
            .held
            .first()
            .map(|held| (held.until, held.complete, held.missing.minutes, held.missing.ledger));
        assert_eq!(held, complete.map(|complete| (3, complete, tables < 3, true)));
        let known: &[_] = &[(0, true), (1, false), (2, true)];
        let known: Vec<_> =
            known.iter().filter(|(_, event)| tables > usize::from(!event)).collect();
        assert_eq!(verdicts(&found).iter().collect::<Vec<_>>(), known);
        // Whoever recovers declares what is missing, and crashes too: what was known stays known.
        let (claim, batch) = declare(&again, &claim, rows(&texts, 0)).await;
        assert_eq!(recover(&again, &claim).await.held, found.held);
        assert!(matches!(again.warehouse.write(batch).await, Err(WarehouseError::Fenced)));
    }
}

async fn who_is_behind_writes_nothing(open: &OpenWarehouse) {
    // Declared by an owner that is stopped then.
    let (claim, zombie) = declare(open, &beginning(), rows(&[&event("a", "")], 0)).await;
    let (_, ours) = declare(open, &claim, rows(&[&event("b", "")], 0)).await;
    open.warehouse.write(ours).await.unwrap();
    for _ in 0..2 {
        let refused = open.warehouse.write(zombie.clone()).await;
        assert!(matches!(refused, Err(WarehouseError::Fenced)), "{refused:?}");
    }
    assert_eq!(answer(open, "SELECT event_id FROM events").await, r#"[["b"]]"#);
    let claim = Claim { next_offset: 1, ..beginning() };
    let (_, next) = declare(open, &claim, rows(&[&event("c", "")], 1)).await;
    open.warehouse.write(next).await.unwrap();
    assert_eq!(answer(open, "SELECT COUNT(*) AS n FROM events").await, "[[2]]");
}

async fn what_is_tried_twice_is_written_once(open: &OpenWarehouse) {
    let (_, batch) = declare(open, &beginning(), rows(&[&event("a", ""), "no"], 0)).await;
    open.warehouse.write(batch.clone()).await.unwrap();
    let again = open.warehouse.write(batch).await;
    assert!(matches!(again, Ok(()) | Err(WarehouseError::Fenced)), "{again:?}");
    let counts = "SELECT (SELECT COUNT(*) FROM events), (SELECT COUNT(*) FROM events_dlq),
        (SELECT CAST(SUM(events) AS INT64) FROM events_agg_1min),
        (SELECT CAST(SUM(read) AS INT64) FROM ledger)";
    assert_eq!(answer(open, counts).await, "[[1,1,1,2]]");
}

async fn content_at_fault_is_named_and_nothing_written(open: &OpenWarehouse) {
    let texts: Vec<_> = (0..50).map(|n| event(&n.to_string(), "")).collect();
    let mut broken = rows(&texts.iter().map(String::as_str).collect::<Vec<_>>(), 0);
    let events = &mut broken.tables[0].1;
    *events = (open.spoil)(events, &[7, 31]);
    let refused = write(open, broken).await;
    assert!(
        matches!(&refused, Err(WarehouseError::Refused(rows)) if *rows == [7, 31]),
        "{refused:?}"
    );
    assert_eq!(answer(open, "SELECT COUNT(*) AS n FROM events").await, "[[0]]");
    write(open, rows(&[&texts[0]], 0)).await.unwrap();
    assert_eq!(answer(open, "SELECT COUNT(*) AS n FROM events").await, "[[1]]");
}

async fn the_first_received_wins(open: &OpenWarehouse) {
    write(open, rows(&[&event("a", ",\"moves_used\":1")], 20)).await.unwrap();
    write(open, rows(&[&event("a", ",\"moves_used\":2")], 10)).await.unwrap();
    let found = answer(open, "SELECT event_id, moves_used FROM events_unique").await;
    assert_eq!(found, r#"[["a",2]]"#, "of one received_at the lower source position wins");
}

async fn minutes_are_summed(open: &OpenWarehouse) {
    write(open, rows(&[&event("a", ""), &event("b", "")], 0)).await.unwrap();
    write(open, rows(&[&event("c", "")], 2)).await.unwrap();
    let sql = "SELECT app_id, event_type, level_id, events FROM events_1min";
    assert_eq!(answer(open, sql).await, r#"[["local",1002,"7",3]]"#);
}

async fn the_ledger_finds_what_is_lost(open: &OpenWarehouse) {
    let noon = time::parse(NOON).unwrap();
    let page = |seq, minute, stored, complete| Page {
        hop: Hop::Ingest,
        boot: "boot".to_owned(),
        seq,
        minute,
        complete,
        closing: false,
        apps: vec![("local".to_owned(), Counts { received: stored, stored, ..Counts::default() })],
    };
    let record = async |rows: Vec<Row>| {
        let tables = vec![(LedgerRows::TABLE, ledger(&rows))];
        let rows = Rows { log_id: "log".to_owned(), tables, positions: vec![], places: None };
        open.warehouse.write(rows).await.unwrap();
    };
    write(open, rows(&[&event("a", ""), "no", &event("a", "")], 0)).await.unwrap();
    let residue = "SELECT hop, state, residue FROM ledger_residue
                   WHERE app_id = 'local' AND minute = TIMESTAMP '2026-11-23 12:00:00+00'
                   ORDER BY hop";
    let all = |state: &str, log: i64| {
        format!(
            r#"[["ingest","{state}",0],["log","{state}",{log}],["process","{state}",0],["warehouse","{state}",0]]"#
        )
    };
    record(page(1, noon, 3, false).rows().collect()).await;
    assert_eq!(answer(open, residue).await, all("open", 0));
    let closed = Row {
        hop: Hop::Closed,
        source: None,
        app_id: None,
        minute: noon,
        seq: None,
        complete: false,
        closing: false,
        counts: Counts::default(),
    };
    record(vec![closed]).await;
    assert_eq!(answer(open, residue).await, all("unproved", 0), "never written for good");
    // The same page twice is one page; a later one adds to it.
    record(page(1, noon, 3, false).rows().collect()).await;
    record(page(2, noon, 0, true).rows().collect()).await;
    assert_eq!(answer(open, residue).await, all("proved", 0));
    let state = open.warehouse.ledger("log").await.unwrap();
    assert_eq!(state.closed_through, Some(noon));
    let boot = &state.boots[0];
    assert_eq!(
        (boot.id.as_str(), boot.first_minute, boot.last_complete),
        ("boot", noon, Some(noon))
    );
    record(page(3, noon, 2, true).rows().collect()).await;
    assert_eq!(answer(open, residue).await, all("proved", 2), "two were stored and never read");
}

/// Events and letters as they stand, by offset.
async fn standing(open: &OpenWarehouse) -> String {
    let sql = "SELECT source_offset, event_id, moves_used FROM events
               UNION ALL SELECT source_offset, reason, NULL FROM events_dlq ORDER BY 1";
    answer(open, sql).await
}

/// Rows to be put aside, which no transaction of processing has.
fn aside(texts: &[&str], offset: i64) -> Vec<(&'static str, RecordBatch)> {
    let staged = [EventRows::TABLE, LetterRows::TABLE];
    rows(texts, offset).tables.into_iter().filter(|(table, _)| staged.contains(table)).collect()
}

/// A replay of a log.
fn run(name: &str, log_id: &str) -> Run {
    let (name, log_id) = (name.to_owned(), log_id.to_owned());
    Run { name, log_id, began_at: time::parse(NOON).unwrap() }
}

async fn rows_take_the_place_of_others(open: &impl AsyncFn(&str) -> OpenWarehouse) {
    let first = open("replace").await;
    let replace = &first.replace;
    let texts = [&event("a", ""), "no", &event("a", ""), &event("b", "")];
    write(&first, rows(&texts, 10)).await.unwrap();
    let before = standing(&first).await;
    assert_eq!(before, r#"[[10,"a",null],[11,"malformed_json",null],[13,"b",null]]"#);
    let spans = [Span { partition: 3, offsets: 11..14 }];
    let other = run("other", "other");
    replace.begin(&other, &spans).await.unwrap();
    assert_eq!(replace.known(&other, &spans).await.unwrap(), []);
    let killed = run("killed", "log");
    replace.begin(&killed, &spans).await.unwrap();
    let mut known = replace.known(&killed, &spans).await.unwrap();
    known.sort_by_key(|known| known.offset);
    let row = |offset, event| Known { partition: 3, offset, event, counted: event };
    assert_eq!(known, [row(11, false), row(13, true)]);
    // Put aside, and forgotten by a crash.
    replace.stage(&killed, aside(&[&event("lost", "")], 11)).await.unwrap();
    drop(first);
    let again = open("replace").await;
    assert_eq!(standing(&again).await, before);
    let replace = &again.replace;
    let noon = time::parse(NOON).unwrap();
    for (name, rows_before) in [("once", 2), ("twice", 3)] {
        let run = run(name, "log");
        replace.begin(&run, &spans).await.unwrap();
        let mended = [&event("c", ""), "{}", &event("b", ",\"moves_used\":3")];
        let mut refused = aside(&mended, 11);
        refused[0].1 = (again.spoil)(&refused[0].1, &[1]);
        let refused = replace.stage(&run, refused).await;
        assert!(matches!(&refused, Err(WarehouseError::Refused(rows)) if *rows == [1]));
        replace.stage(&run, aside(&mended, 11)).await.unwrap();
        assert!(standing(&again).await.starts_with(r#"[[10,"a",null],[11,"#));
        let replaced = replace.replace(&run, &spans, noon).await.unwrap();
        assert_eq!((replaced.before, replaced.after), (rows_before, 3));
        let days: Vec<_> = replaced.days.iter().map(ToString::to_string).collect();
        assert_eq!(days, ["2026-11-23"]);
        let expected = r#"[[10,"a",null],[11,"c",null],[12,"missing_field",null],[13,"b",3]]"#;
        assert_eq!(standing(&again).await, expected);
    }
    let touched = "SELECT reason, COUNT(*) AS n FROM touched_days GROUP BY reason";
    assert_eq!(answer(&again, touched).await, r#"[["replay",2]]"#);
}

async fn a_copy_stays_a_copy_and_what_was_lost_comes_back(open: &OpenWarehouse) {
    write(open, rows(&[&event("a", ""), &event("a", ""), &event("b", "")], 10)).await.unwrap();
    let (run, replace) = (run("copies", "log"), &open.replace);
    replace.begin(&run, &[]).await.unwrap();
    let nothing = replace.replace(&run, &[], run.began_at).await.unwrap();
    assert_eq!((nothing.before, nothing.after, nothing.days), (0, 0, vec![]));
    let spans = [Span { partition: 3, offsets: 11..14 }];
    replace.begin(&run, &spans).await.unwrap();
    // Nothing stands at 11 and 13, and at 12 another event does.
    for (id, offset) in [("a", 11), ("a", 12), ("d", 13)] {
        replace.stage(&run, aside(&[&event(id, "")], offset)).await.unwrap();
    }
    let told = Row {
        hop: Hop::Replay,
        source: Some(run.name.clone()),
        app_id: Some("local".to_owned()),
        minute: run.began_at,
        seq: None,
        complete: false,
        closing: false,
        counts: Counts { read: 3, accepted: 2, duplicate: 1, ..Counts::default() },
    };
    replace.stage(&run, vec![(LedgerRows::TABLE, ledger(&[told]))]).await.unwrap();
    let replaced = replace.replace(&run, &spans, run.began_at).await.unwrap();
    assert_eq!((replaced.before, replaced.after), (1, 2));
    assert_eq!(standing(open).await, r#"[[10,"a",null],[12,"a",null],[13,"d",null]]"#);
    let told = "SELECT source, read, accepted, duplicate FROM ledger WHERE hop = 'replay'";
    assert_eq!(answer(open, told).await, r#"[["copies",3,2,1]]"#);
}
