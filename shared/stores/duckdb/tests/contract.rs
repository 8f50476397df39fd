//! The warehouse port's contract, and what is this adapter's own.
#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::{sync::Arc, time::Duration};

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};

use questline_stores::{
    contract::{
        letters::{self, OpenLetters},
        runs, training,
        warehouse::{OpenWarehouse, suite},
    },
    warehouse::{Query, QueryError, QueryLimits, WarehouseError},
};
use questline_warehouse_duckdb::{DuckdbWarehouse, FILE};

const LIMITS: QueryLimits = QueryLimits { timeout: Duration::from_secs(10), rows: 1_000 };

/// Leaves out what a row must have.
fn spoil(events: &RecordBatch, rows: &[usize]) -> RecordBatch {
    let at = events.schema().index_of("user_id").unwrap();
    let user = |row| (!rows.contains(&row)).then_some("u");
    let spoilt: StringArray = (0..events.num_rows()).map(user).collect();
    let mut fields: Vec<_> = events.schema().fields().iter().cloned().collect();
    fields[at] = Arc::new(Field::new("user_id", DataType::Utf8, true));
    let mut columns = events.columns().to_vec();
    columns[at] = Arc::new(spoilt);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_of_a_warehouse() {
    let folder = tempfile::tempdir().unwrap();
    suite(async |name: &str| {
        let directory = folder.path().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        // The writer of a dropped warehouse may take a moment to let go of the file.
        for _ in 0..500 {
            match DuckdbWarehouse::open(&directory) {
                Ok(open) => {
                    return OpenWarehouse {
                        warehouse: Arc::new(open.clone()),
                        query: Arc::new(open.clone()),
                        replace: Arc::new(open),
                        spoil,
                    };
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("the warehouse does not open")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contracts_of_the_functions_of_the_day() {
    let folder = tempfile::tempdir().unwrap();
    let open = DuckdbWarehouse::open(folder.path()).unwrap();
    let opened = Arc::new(open.clone());
    letters::suite(OpenLetters { warehouse: opened.clone(), letters: opened }).await;
    training::suite(&open).await;
    runs::suite(&open).await;
}

#[tokio::test]
async fn a_query_is_one_select_and_reaches_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let open = DuckdbWarehouse::open(folder.path()).unwrap();
    for refused in [
        "",
        ";",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE events",
        "DROP TABLE events",
        "INSERT INTO events_agg_1min VALUES (now(), 'a', 1, NULL, 1)",
        "COMMIT; DELETE FROM events",
        "WITH gone AS (DELETE FROM events RETURNING *) SELECT * FROM gone",
        "COPY events TO '/tmp/questline-should-not-exist'",
        "ATTACH '/tmp/x.db'",
        "SET memory_limit = '10GB'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "INSTALL httpfs",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM 'https://example.com/x.parquet'",
        "SELECT * FROM query('DROP TABLE events')",
        "SELECT nothing FROM events",
        "SELECT \u{0} 1",
    ] {
        let answer = open.query(refused, LIMITS).await;
        assert!(matches!(answer, Err(QueryError::Invalid(_))), "{refused}: {answer:?}");
    }
    let answer = open.query("SELECT 1 AS a, 'x' AS a -- done;", LIMITS).await.unwrap();
    assert_eq!(answer.columns, ["a", "a"]);
    assert_eq!(serde_json::to_string(&answer.rows).unwrap(), r#"[[1,"x"]]"#);
    let empty = open.query("SELECT event_id FROM events", LIMITS).await.unwrap();
    assert_eq!((empty.columns, empty.rows), (vec!["event_id".to_owned()], vec![]));
}

const ENDLESS: &str =
    "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range + b.range < 0";

#[tokio::test]
async fn a_query_that_nobody_waits_for_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let open = DuckdbWarehouse::open(folder.path()).unwrap();
    let limits = QueryLimits { timeout: Duration::from_secs(600), ..LIMITS };
    // More than run at a time.
    for _ in 0..4 {
        let gone = tokio::time::timeout(Duration::from_millis(300), open.query(ENDLESS, limits));
        assert!(gone.await.is_err());
        is_served(&open).await;
    }
    // At every step on the way to its beginning.
    for after in (0..300).map(|n| Duration::from_micros(n * 10)) {
        let mut asked = Box::pin(open.query(ENDLESS, limits));
        tokio::select! {
            biased;
            answer = &mut asked => assert!(answer.is_err()),
            () = std::future::ready(()) => {}
        }
        std::thread::sleep(after);
        drop(asked);
        is_served(&open).await;
    }
}

async fn is_served(open: &DuckdbWarehouse) {
    let soon = QueryLimits { timeout: Duration::from_secs(60), rows: 1 };
    assert_eq!(open.query("SELECT 1", soon).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_query_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let open = DuckdbWarehouse::open(folder.path()).unwrap();
    let limits = QueryLimits { timeout: Duration::from_millis(300), rows: 10 };
    let start = std::time::Instant::now();
    assert!(matches!(open.query(ENDLESS, limits).await, Err(QueryError::Timeout(_))));
    assert!(start.elapsed() < Duration::from_secs(60));
    let limits = QueryLimits { rows: 10, ..LIMITS };
    let many = open.query("SELECT * FROM range(11)", limits).await;
    assert!(matches!(many, Err(QueryError::TooManyRows(10))));
    assert_eq!(open.query("SELECT * FROM range(10)", limits).await.unwrap().rows.len(), 10);
    let failing =
        "SELECT CASE WHEN range = 5000 THEN error('on the way') ELSE 'x' END FROM range(9999)";
    let failing = open.query(failing, QueryLimits { rows: 100_000, ..LIMITS }).await;
    assert!(matches!(failing, Err(QueryError::Invalid(_))), "{failing:?}");
}

#[tokio::test]
async fn sessions_are_in_utc() {
    let folder = tempfile::tempdir().unwrap();
    let open = DuckdbWarehouse::open(folder.path()).unwrap();
    let sql = "SELECT current_setting('TimeZone') AS zone,
               CAST(TIMESTAMP '2026-11-23 23:30:00+00' AS DATE) AS day,
               CAST(TIMESTAMPTZ '2026-11-23 23:30:00+00' AS VARCHAR) AS moment";
    let answer = open.query(sql, LIMITS).await.unwrap();
    let rows = serde_json::to_string(&answer.rows).unwrap();
    assert_eq!(rows, r#"[["UTC","2026-11-23","2026-11-23 23:30:00+00"]]"#);
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), [b'x'; 40_000]).unwrap();
    let open = DuckdbWarehouse::open(folder.path());
    assert!(matches!(open.err(), Some(WarehouseError::Damaged { .. })));
}
