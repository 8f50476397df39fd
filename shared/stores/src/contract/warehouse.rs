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

use crate::warehouse::{Advance, Query, QueryLimits, Rows, Settled, Warehouse, WarehouseError};

/// An open warehouse. Dropping it, without more, is a crash of the process that had it.
pub struct OpenWarehouse {
    /// Processing's side.
    pub warehouse: Arc<dyn Warehouse>,
    /// People's side.
    pub query: Arc<dyn Query>,
    /// Makes some rows of `events` such that this warehouse refuses them for their content.
    pub spoil: fn(&RecordBatch, &[usize]) -> RecordBatch,
}

const NOON: &str = "2026-11-23T12:00:00Z";
const LIMITS: QueryLimits =
    QueryLimits { timeout: std::time::Duration::from_secs(10), rows: 1_000 };

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

/// Writes rows from where the tables are.
async fn write(open: &OpenWarehouse, mut rows: Rows) -> Result<(), WarehouseError> {
    let known = open.warehouse.positions("log").await?;
    for advance in &mut rows.positions {
        advance.from = known.iter().find(|(p, _)| *p == advance.partition).map(|(_, at)| *at);
    }
    open.warehouse.write(rows).await
}

/// Runs every case. `open` opens the warehouse of a name: a new one, or the one of that name again.
///
/// # Panics
/// If the warehouse breaks the contract.
pub async fn suite(open: impl AsyncFn(&str) -> OpenWarehouse) {
    rows_come_back_as_they_went(&open("rows").await).await;
    rows_and_positions_are_one(&open).await;
    who_is_behind_writes_nothing(&open("fence").await).await;
    content_at_fault_is_named_and_nothing_written(&open("content").await).await;
    the_first_received_wins(&open("unique").await).await;
    minutes_are_summed(&open("minutes").await).await;
    the_ledger_finds_what_is_lost(&open("ledger").await).await;
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

async fn rows_and_positions_are_one(open: &impl AsyncFn(&str) -> OpenWarehouse) {
    let first = open("positions").await;
    assert_eq!(first.warehouse.positions("log").await.unwrap(), []);
    write(&first, rows(&[&event("a", ""), "no", &event("a", "")], 10)).await.unwrap();
    write(&first, rows(&[&event("b", "")], 13)).await.unwrap();
    drop(first);
    let again = open("positions").await;
    assert_eq!(again.warehouse.positions("log").await.unwrap(), [(3, 14)]);
    assert_eq!(again.warehouse.positions("other").await.unwrap(), []);
    let mut settled = again.warehouse.settled("log", &[(3, 11..20), (4, 0..20)]).await.unwrap();
    settled.sort_by_key(|settled| settled.offset);
    let expected =
        [(11, false), (13, true)].map(|(offset, event)| Settled { partition: 3, offset, event });
    assert_eq!(settled, expected, "12 was a duplicate: no table holds it");
}

async fn who_is_behind_writes_nothing(open: &OpenWarehouse) {
    open.warehouse.write(rows(&[&event("a", "")], 0)).await.unwrap();
    // A zombie that comes back writes the same again, and something of its own.
    let at = |from, to| vec![Advance { partition: 3, from, to }];
    for late in [at(None, 1), at(None, 2), at(Some(0), 2), at(Some(2), 3)] {
        let late = Rows { positions: late, ..rows(&[&event("b", "")], 0) };
        let refused = open.warehouse.write(late).await;
        assert!(matches!(refused, Err(WarehouseError::Fenced)), "{refused:?}");
    }
    assert_eq!(answer(open, "SELECT COUNT(*) AS n FROM events").await, "[[1]]");
    let next = Rows { positions: at(Some(1), 2), ..rows(&[&event("b", "")], 1) };
    open.warehouse.write(next).await.unwrap();
    assert_eq!(open.warehouse.positions("log").await.unwrap(), [(3, 2)]);
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
    assert_eq!(open.warehouse.positions("log").await.unwrap(), []);
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
        let rows = Rows { log_id: "log".to_owned(), tables, positions: vec![] };
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
