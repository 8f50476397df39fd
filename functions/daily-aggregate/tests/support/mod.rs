//! A warehouse on disk with events as they are wanted, a clock that is set, and faults.
#![allow(dead_code, reason = "every test uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "test helpers")]

pub(crate) mod faulty;

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use questline_daily_aggregate::{DailyRun, Failure, Ports, Report};
use questline_events::{
    Day,
    row::{EventRows, LedgerRows},
    time,
};
use questline_runtime::{clock::Clock, metrics::Metrics};
use questline_stores::{
    daily::{DayWarehouse, Directory},
    warehouse::{Query as _, QueryLimits, Rows, Warehouse as _},
};
use questline_warehouse_duckdb::DuckdbWarehouse;
use serde_json::{Map, Value, json};

/// A clock that stands until it is set.
#[derive(Debug, Default)]
pub(crate) struct Set(AtomicI64);

impl Set {
    pub(crate) fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(time::parse(text).unwrap())))
    }

    pub(crate) fn to(&self, text: &str) {
        self.0.store(time::parse(text).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn on(&self, minutes: i64) {
        self.0.fetch_add(minutes * time::MINUTE, Ordering::Relaxed);
    }
}

impl Clock for Set {
    fn now_micros(&self) -> i64 {
        // No two moments are one: it goes on by a microsecond.
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn unique_id(&self) -> uuid::Uuid {
        uuid::Uuid::nil()
    }
}

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Starts `child`, a test of the same program, with some variables, and kills it where it holds.
pub(crate) fn kill_child(variables: &[(&str, &OsStr)]) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    let held = said.map_while(Result::ok).find(|line| line.ends_with("holding"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(held.is_some(), "it never held: {variables:?}");
}

/// Runs over a warehouse, that hand on what they make to a directory.
pub(crate) fn run_over(
    directory: &Path,
    warehouse: Arc<dyn DayWarehouse>,
    clock: Arc<Set>,
) -> DailyRun {
    run_telling(directory, warehouse, clock, Arc::default())
}

/// The same, and what they count.
pub(crate) fn run_telling(
    directory: &Path,
    warehouse: Arc<dyn DayWarehouse>,
    clock: Arc<Set>,
    metrics: Arc<Metrics>,
) -> DailyRun {
    let ports = Ports {
        warehouse,
        features: Arc::new(Directory::new(directory.join("features"))),
        ready: Arc::new(Directory::new(directory)),
        playtime_types: "3002".to_owned(),
        clock,
    };
    DailyRun::new(ports, metrics)
}

/// A warehouse in a directory.
pub(crate) struct Place {
    pub(crate) warehouse: DuckdbWarehouse,
    pub(crate) clock: Arc<Set>,
    pub(crate) run: DailyRun,
    pub(crate) metrics: Arc<Metrics>,
    offset: i64,
}

impl Place {
    pub(crate) fn open(directory: &Path, now: &str) -> Self {
        let warehouse = DuckdbWarehouse::open(directory).unwrap();
        Self::over(directory, warehouse.clone(), Arc::new(warehouse), Set::at(now))
    }

    /// With something between the run and the warehouse.
    pub(crate) fn over(
        directory: &Path,
        warehouse: DuckdbWarehouse,
        days: Arc<dyn DayWarehouse>,
        clock: Arc<Set>,
    ) -> Self {
        let metrics = Arc::<Metrics>::default();
        let run = run_telling(directory, days, clock.clone(), metrics.clone());
        Self { warehouse, clock, run, metrics, offset: 0 }
    }

    /// Writes events, and the ledger of them; what a row does not say is made up.
    pub(crate) async fn events(&mut self, rows: &[Value]) {
        let rows: Vec<_> = rows.iter().map(|row| self.event(row)).collect();
        self.write(EventRows::TABLE, EventRows::schema(), &rows).await;
        let mut pages = Vec::new();
        for row in &rows {
            let received = time::parse(row["received_at"].as_str().unwrap()).unwrap();
            let minute = time::text(time::minute(received));
            pages.push(json!({"hop": "ingest", "source": "boot", "app_id": "a", "minute": minute,
                "seq": row["source_offset"], "received": 1, "stored": 1, "closing": true}));
            pages.push(json!({"hop": "process", "source": "boot", "app_id": "a",
                "minute": minute, "read": 1, "accepted": 1}));
        }
        self.ledger(&pages).await;
    }

    fn event(&mut self, row: &Value) -> Value {
        self.offset += 1;
        let moment = time::parse(row["timestamp"].as_str().unwrap()).unwrap();
        let mut event: Map<String, Value> = json!({
            "event_id": format!("e{}", self.offset), "app_id": "a", "user_id": "u",
            "event_type": 1001, "event_date": Day::of(moment), "event_hour": time::hour(moment),
            "day_of_week": time::weekday(moment), "received_at": time::text(moment),
            "counted": true, "source_log": "log", "source_partition": 0,
            "source_offset": self.offset
        })
        .as_object()
        .unwrap()
        .clone();
        event.extend(row.as_object().unwrap().clone());
        event["timestamp"] = json!(time::text(moment));
        Value::Object(event)
    }

    /// Closes the ledger through a minute.
    pub(crate) async fn close_ledger(&self, minute: &str) {
        let row = ledger(json!({ "hop": "closed", "minute": minute }));
        self.write(LedgerRows::TABLE, LedgerRows::schema(), &[row]).await;
    }

    pub(crate) async fn ledger(&self, rows: &[Value]) {
        let rows: Vec<_> = rows.iter().cloned().map(ledger).collect();
        self.write(LedgerRows::TABLE, LedgerRows::schema(), &rows).await;
    }

    async fn write(&self, table: &'static str, schema: SchemaRef, rows: &[Value]) {
        let lines: Vec<_> = rows.iter().map(Value::to_string).collect();
        let lines = lines.join("\n");
        let mut reader = ReaderBuilder::new(offset(&schema)).build(lines.as_bytes()).unwrap();
        let batch = reader.next().unwrap().unwrap();
        let tables = vec![(table, batch)];
        let rows = Rows { log_id: "log".to_owned(), tables, positions: Vec::new(), places: None };
        self.warehouse.write(rows).await.unwrap();
    }

    pub(crate) async fn run(&self, day: Day) -> Result<Report, Failure> {
        self.run.call(day, true, Duration::from_secs(600)).await
    }

    /// The rows of a query, as JSON text.
    pub(crate) async fn rows(&self, sql: &str) -> String {
        rows(&self.warehouse, sql).await
    }
}

pub(crate) async fn rows(warehouse: &DuckdbWarehouse, sql: &str) -> String {
    let limits = QueryLimits { timeout: Duration::from_secs(20), rows: 100_000 };
    let answer = warehouse.query(sql, limits).await.unwrap();
    serde_json::to_string(&answer.rows).unwrap()
}

/// Every table that a run writes, less what differs between two runs of one day.
pub(crate) async fn everything(warehouse: &DuckdbWarehouse) -> Vec<String> {
    let mut tables = Vec::new();
    for sql in [
        "FROM day_rows ORDER BY ALL",
        "FROM level_metrics ORDER BY ALL",
        "FROM user_daily_metrics ORDER BY ALL",
        "FROM revenue_daily_metrics ORDER BY ALL",
        "FROM retention_daily ORDER BY ALL",
        "FROM purchases ORDER BY ALL",
        "FROM purchases_counted ORDER BY ALL",
        "FROM events_1min_closed ORDER BY ALL",
        "FROM cross_day_duplicates ORDER BY ALL",
        "FROM ledger_days ORDER BY ALL",
        "SELECT check_name, severity, passed, broken_rows, broken FROM quality_results ORDER BY ALL",
    ] {
        tables.push(rows(warehouse, sql).await);
    }
    tables
}

/// The same columns: the reader of JSON knows zones as an offset only.
fn offset(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            let moment = DataType::Timestamp(*unit, Some("+00:00".into()));
            Field::new(field.name(), moment, field.is_nullable())
        }
        _ => Field::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn ledger(row: Value) -> Value {
    let mut full: Map<String, Value> = json!({
        "log_id": "log", "complete": true, "closing": false, "received": 0, "stored": 0,
        "rejected": 0, "deferred": 0, "late": 0, "failed": 0, "unknown": 0, "refused_bodies": 0,
        "read": 0, "accepted": 0, "duplicate": 0, "dead_lettered": 0, "expired": 0,
        "written_at": row["minute"]
    })
    .as_object()
    .unwrap()
    .clone();
    full.extend(row.as_object().unwrap().clone());
    Value::Object(full)
}

/// A day of play: three levels, two players, purchases, a session; on 29 February 2024.
pub(crate) fn play() -> Vec<Value> {
    let at = |clock: &str| format!("2024-02-29T{clock}Z");
    let mut events = Vec::new();
    for (user, level, kind, clock, moves) in [
        ("u1", "1", 1001, "10:00:00", None),
        ("u1", "1", 1002, "10:01:00", Some(10)),
        ("u1", "1", 1001, "10:02:00", None),
        ("u1", "1", 1003, "10:03:00", None),
        ("u2", "1", 1001, "11:00:00", None),
        ("u2", "1", 1002, "11:01:00", Some(20)),
        // Starts only, and a win whose start is missing.
        ("u1", "starts", 1001, "12:00:00", None),
        ("u2", "wins", 1002, "12:10:00", Some(7)),
    ] {
        events.push(json!({
            "user_id": user, "session_id": format!("s-{user}"), "level_id": level,
            "event_type": kind, "timestamp": at(clock), "moves_used": moves,
            "time_seconds": moves.map(|moves: i64| moves as f64 * 1.5), "platform": "ios",
            "country": "NO"
        }));
    }
    // One transaction three times.
    for (clock, user) in [("13:00:00", "u1"), ("13:00:01", "u1"), ("13:00:02", "u2")] {
        events.push(json!({
            "user_id": user, "event_type": 2001, "timestamp": at(clock), "price_usd": "4.99",
            "transaction_id": "t1", "platform": "ios", "country": "NO"
        }));
    }
    events.push(json!({
        "user_id": "u1", "session_id": "s-u1", "event_type": 3002, "timestamp": at("14:00:00"),
        "duration_sec": 90.0
    }));
    events
}
