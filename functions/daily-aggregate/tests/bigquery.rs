//! The same days on BigQuery (an emulator) as on DuckDB: every table, and every byte of the features.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{ffi::OsStr, path::Path, sync::Arc, time::Duration};

use questline_daily_aggregate::{Failure, Reach, report::Standing};
use questline_events::time;
use questline_stores::{
    daily::{Daily as _, Runs as _, Table},
    saved::{Ask as _, Question},
    warehouse::{Query as _, QueryLimits, WarehouseError},
};
use questline_testing::{Bigquery, skip};
use questline_warehouse_bigquery::BigqueryWarehouse;
use questline_warehouse_duckdb::FILE;
use serde_json::{Value, json};
use support::{
    Place, Set, day,
    faulty::{Faulty, holding},
    kill_child, play, run_over,
};

const NIGHT: &str = "2024-03-01T02:00:00Z";
const LIMITS: QueryLimits = QueryLimits { timeout: Duration::from_secs(60), rows: 10_000 };
const PATIENCE: Duration = Duration::from_secs(600);
/// Where the child that is killed finds the emulator, and its directory.
const REST: &str = "QUESTLINE_TEST_REST";
const DIRECTORY: &str = "QUESTLINE_TEST_DIRECTORY";

/// What a run has written, less what differs between two of them.
const WRITTEN: [&str; 12] = [
    "SELECT * FROM day_rows",
    "SELECT * FROM level_metrics",
    "SELECT * FROM user_daily_metrics",
    "SELECT * FROM revenue_daily_metrics",
    "SELECT * FROM retention_daily",
    "SELECT * FROM purchases",
    "SELECT * FROM purchases_counted",
    "SELECT * FROM events_1min_closed",
    "SELECT * FROM cross_day_duplicates",
    "SELECT * FROM ledger_days",
    "SELECT check_name, severity, passed, broken_rows FROM quality_results",
    "SELECT step, attempt, state, error, snapshot_rows, snapshot_touches FROM pipeline_runs",
];

/// An emulator with the rows of a directory's warehouse.
async fn bigquery(directory: &Path) -> Option<(Bigquery, BigqueryWarehouse)> {
    let Some(mut emulator) = Bigquery::start() else {
        skip("bigquery", "QUESTLINE_PYTHON is not set");
        return None;
    };
    assert!(emulator.copy(&directory.join(FILE)) > 0);
    let warehouse = opened(&emulator.rest).await;
    Some((emulator, warehouse))
}

async fn opened(rest: &str) -> BigqueryWarehouse {
    let variable = |name: &str| (name == "QUESTLINE_BIGQUERY_REST").then(|| rest.to_owned());
    BigqueryWarehouse::open(Bigquery::DATASET, variable).await.unwrap()
}

/// A day of play on DuckDB, and nobody has it open.
async fn played(directory: &Path, rows: &[Value]) {
    let mut place = Place::open(directory, NIGHT);
    place.events(rows).await;
    place.close_ledger("2024-03-01T00:10:00Z").await;
    place.warehouse.close().await;
}

async fn rows(warehouse: &BigqueryWarehouse, sql: &str) -> Vec<String> {
    let bigquery: &'static str = Box::leak(sql.to_owned().into_boxed_str());
    let question = Question { name: "test", bigquery, duckdb: "", values: Vec::new() };
    told(warehouse.ask(&question, LIMITS).await.unwrap().rows)
}

/// Rows in one order, and a value in one form.
fn told(rows: Vec<Vec<Value>>) -> Vec<String> {
    fn value(found: Value) -> Value {
        match found {
            Value::Number(number) => json!(number.as_f64()),
            Value::String(text) => match (time::parse(&text), text.parse::<f64>()) {
                (Some(moment), _) => json!(moment),
                // Money, as each engine writes it.
                (None, Ok(number)) if text.contains('.') => json!(number),
                _ => Value::String(text),
            },
            // A list that is NULL is an empty one in BigQuery.
            Value::Array(values) if values.is_empty() => Value::Null,
            Value::Array(values) => values.into_iter().map(value).collect(),
            other => other,
        }
    }
    let row = |row: Vec<Value>| Value::from_iter(row.into_iter().map(value)).to_string();
    let mut rows: Vec<_> = rows.into_iter().map(row).collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_the_same_on_both_and_again() {
    let (embedded, cloud) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    played(embedded.path(), &play()).await;
    let Some((_emulator, warehouse)) = bigquery(embedded.path()).await else { return };
    let leap = day("2024-02-29");
    let place = Place::open(embedded.path(), NIGHT);
    let run = run_over(cloud.path(), Arc::new(warehouse.clone()), Set::at(NIGHT));
    for _ in 0..2 {
        let expected = place.run(leap).await.unwrap();
        let report = run.call(leap, true, PATIENCE).await.unwrap();
        assert_eq!((report.standing, &report.why), (Standing::Done, &None));
        assert_eq!(report.steps.len(), expected.steps.len());
        for sql in WRITTEN {
            let expected = place.warehouse.query(sql, LIMITS).await.unwrap().rows;
            assert_eq!(rows(&warehouse, sql).await, told(expected), "{sql}");
        }
        for file in ["features/level_features/2024-02-29/part-0.parquet", "metrics-ready.ndjson"] {
            let written = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
            assert_eq!(written(cloud.path()), written(embedded.path()), "{file}");
        }
    }
    let levels = rows(&warehouse, "SELECT COUNT(*) FROM level_metrics").await;
    assert_eq!(levels, ["[3.0]"], "not doubled");
}

/// The process that is killed: the day's levels are replaced, and nobody has written it down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(rest), Ok(directory)) = (std::env::var(REST), std::env::var(DIRECTORY)) else { return };
    let hook = holding("level_metrics record".to_owned());
    let faulty = Arc::new(Faulty { inner: opened(&rest).await, hook });
    let run = run_over(Path::new(&directory), faulty, Set::at(NIGHT));
    run.call(day("2024-02-29"), false, PATIENCE).await.unwrap();
}

/// The tables of a day as DuckDB has them, and nothing of it still at work.
async fn assert_closed(warehouse: &BigqueryWarehouse, place: &Place) {
    for sql in &WRITTEN[..10] {
        let expected = place.warehouse.query(sql, LIMITS).await.unwrap().rows;
        assert_eq!(rows(warehouse, sql).await, told(expected), "{sql}");
    }
    let running = "SELECT COUNT(*) FROM pipeline_runs WHERE state = 'running'";
    assert_eq!(rows(warehouse, running).await, ["[0.0]"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_the_same_after_a_kill_and_by_two_processes_at_once() {
    let (embedded, cloud) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    played(embedded.path(), &play()).await;
    let Some((emulator, warehouse)) = bigquery(embedded.path()).await else { return };
    let leap = day("2024-02-29");
    let place = Place::open(embedded.path(), NIGHT);
    assert_eq!(place.run(leap).await.unwrap().standing, Standing::Done);
    kill_child(&[(REST, OsStr::new(&emulator.rest)), (DIRECTORY, cloud.path().as_os_str())]);

    // Each process has a run of its own, and the time in common.
    let clock = Set::at(NIGHT);
    let process = || run_over(cloud.path(), Arc::new(warehouse.clone()), clock.clone());
    // No platform says that it is dead: it may be at work.
    let busy = process().call(leap, false, PATIENCE).await;
    assert!(matches!(&busy, Err(Failure::Busy(by)) if by == "2024-02-29.1"), "{busy:?}");
    // Longer than any platform lets a step run.
    clock.on(17);
    let report = process().call(leap, false, PATIENCE).await.unwrap();
    assert_eq!((report.standing, &*report.run), (Standing::Done, "2024-02-29.1"), "{report:?}");
    let levels = "SELECT attempt, state FROM pipeline_runs WHERE step = 'level_metrics'";
    assert_eq!(rows(&warehouse, levels).await, [r#"[1.0,"failed"]"#, r#"[2.0,"done"]"#]);
    assert_closed(&warehouse, &place).await;

    let (one, two) = (process(), process());
    let at_once = tokio::join!(one.call(leap, true, PATIENCE), two.call(leap, true, PATIENCE));
    let (run, busy) = if at_once.0.is_ok() { at_once } else { (at_once.1, at_once.0) };
    let report = run.unwrap();
    assert_eq!((report.standing, &*report.run), (Standing::Done, "2024-02-29.2"), "{report:?}");
    assert!(matches!(&busy, Err(Failure::Busy(by)) if by == "2024-02-29.2"), "{busy:?}");
    assert_closed(&warehouse, &place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_events_make_a_day_stale_and_it_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    played(folder.path(), &play()).await;
    let Some((mut emulator, warehouse)) = bigquery(folder.path()).await else { return };
    let clock = Set::at(NIGHT);
    let run = run_over(folder.path(), Arc::new(warehouse.clone()), clock.clone());
    let due = async || run.call_due(Reach::Night, PATIENCE).await.unwrap();
    let days = |reports: Vec<questline_daily_aggregate::Report>| {
        reports.iter().map(|report| (report.day, report.standing)).collect::<Vec<_>>()
    };
    let leap = day("2024-02-29");
    assert_eq!(days(due().await), [(leap, Standing::Done)]);
    assert_eq!(days(due().await), [], "nothing has changed");
    clock.on(60 * 24);
    let late = json!([{"event_id": "late", "app_id": "a", "user_id": "u3", "event_type": 1001,
        "timestamp": "2024-02-29T09:00:00Z", "event_date": "2024-02-29", "event_hour": 9,
        "day_of_week": 3, "received_at": "2024-02-29T09:00:00Z", "level_id": "1", "counted": true,
        "source_log": "log", "source_partition": 0, "source_offset": 99}]);
    emulator.fill("events", &late.to_string());
    let rebuilt = due().await;
    assert!(rebuilt.iter().any(|report| report.day == leap), "{rebuilt:?}");
    let attempts = "SELECT attempts FROM level_metrics WHERE level_id = '1'";
    assert_eq!(rows(&warehouse, attempts).await, ["[4.0]"]);
    assert_eq!(rows(&warehouse, "SELECT COUNT(*) FROM stale_days").await, ["[0.0]"]);
    let touched = "SELECT CAST(event_date AS STRING), reason FROM touched_days";
    assert_eq!(rows(&warehouse, touched).await, [r#"["2024-02-29","late_events"]"#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_fails_leaves_the_day_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    played(folder.path(), &play()).await;
    let Some((_emulator, warehouse)) = bigquery(folder.path()).await else { return };
    let leap = day("2024-02-29");
    let run = run_over(folder.path(), Arc::new(warehouse.clone()), Set::at(NIGHT));
    run.call(leap, true, PATIENCE).await.unwrap();
    let levels = "SELECT * FROM level_metrics";
    let before = rows(&warehouse, levels).await;
    // What it reads is another table, so the text is refused after the day was emptied.
    rows(&warehouse, "DROP TABLE day_rows").await;
    let failed = warehouse.replace(Table::LevelMetrics, leap, "3002").await.unwrap_err();
    assert!(matches!(&failed, WarehouseError::Damaged { place, .. } if place == Bigquery::DATASET));
    let why = std::error::Error::source(&failed).unwrap().to_string();
    assert!(why.contains("day_rows"), "{why}");
    assert_eq!(rows(&warehouse, levels).await, before);
    let attempts = warehouse.attempts(leap, leap).await.unwrap();
    assert_eq!(attempts.len(), 13, "the book is another table");
}
