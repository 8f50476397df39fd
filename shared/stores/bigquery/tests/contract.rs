//! The warehouse port's contract, on an emulator; what only a dataset can do wrong.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{sync::Arc, time::Duration};

use arrow_array::{RecordBatch, StringArray};
use async_trait::async_trait;
use questline_events::{minutes::Key, row::MinuteRows};
use questline_stores::{
    contract::{
        letters::{self, OpenLetters},
        runs, training,
        warehouse::{OpenWarehouse, suite},
    },
    saved::{Ask as _, Question},
    warehouse::{
        Advance, Answer, Claim, Place, Places, Query, QueryError, QueryLimits, Rows,
        Warehouse as _, WarehouseError,
    },
};
use questline_testing::{Bigquery, skip};
use questline_warehouse_bigquery::BigqueryWarehouse;

const LIMITS: QueryLimits = QueryLimits { timeout: Duration::from_secs(60), rows: 10_000 };

/// People's side, as the suite asks it.
struct Asked(BigqueryWarehouse);

#[async_trait]
impl Query for Asked {
    async fn query(&self, sql: &str, limits: QueryLimits) -> Result<Answer, QueryError> {
        let bigquery: &'static str = Box::leak(sql.to_owned().into_boxed_str());
        let question = Question { name: "test", bigquery, duckdb: "", values: Vec::new() };
        self.0.ask(&question, limits).await
    }
}

fn variable(emulator: &Bigquery) -> impl Fn(&str) -> Option<String> {
    let (rest, grpc) = (emulator.rest.clone(), emulator.grpc.clone());
    move |name| match name {
        "QUESTLINE_BIGQUERY_REST" => Some(rest.clone()),
        "QUESTLINE_BIGQUERY_GRPC" => Some(grpc.clone()),
        _ => None,
    }
}

async fn open(emulator: &Bigquery) -> Asked {
    Asked(BigqueryWarehouse::open(Bigquery::DATASET, variable(emulator)).await.unwrap())
}

/// What is no JSON, in a column that is.
fn spoil(events: &RecordBatch, rows: &[usize]) -> RecordBatch {
    let at = events.schema().index_of("parameters").unwrap();
    let text = |row| if rows.contains(&row) { "{no json" } else { "{}" };
    let spoilt: StringArray = (0..events.num_rows()).map(|row| Some(text(row))).collect();
    let mut columns = events.columns().to_vec();
    columns[at] = Arc::new(spoilt);
    RecordBatch::try_new(events.schema(), columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_of_a_warehouse() {
    let Some(emulator) = Bigquery::start_for_streams() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let opened = tokio::sync::Mutex::new(String::new());
    suite(async |name: &str| {
        let asked = open(&emulator).await;
        let mut last = opened.lock().await;
        // One dataset for all cases: each begins with empty tables.
        if *last != name {
            for table in [
                "events",
                "events_agg_1min",
                "events_dlq",
                "events_reprocessed",
                "ledger",
                "touched_days",
            ] {
                asked.query(&format!("DELETE FROM {table} WHERE TRUE"), LIMITS).await.unwrap();
            }
            name.clone_into(&mut last);
        }
        let warehouse = Arc::new(asked.0.streams(variable(&emulator)).await.unwrap());
        let replace = Arc::new(asked.0.replay(variable(&emulator)).await.unwrap());
        OpenWarehouse { warehouse, query: Arc::new(asked), replace, spoil }
    })
    .await;
}

/// A batch of partition 3 that has counted seven events.
fn seven() -> Rows {
    let key = Key {
        window_start: 1_795_500_000_000_000,
        app_id: "a".into(),
        event_type: 1001,
        level_id: None,
    };
    let mut minutes = MinuteRows::default();
    minutes.push(&key, 7);
    Rows {
        log_id: "log".to_owned(),
        tables: vec![(MinuteRows::TABLE, minutes.finish().unwrap())],
        positions: vec![Advance { partition: 3, from: None, to: 1 }],
        places: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_lost_or_has_lost_rows_takes_nothing() {
    let Some(emulator) = Bigquery::start_for_streams() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let asked = open(&emulator).await;
    let streams = asked.0.streams(variable(&emulator)).await.unwrap();
    let declared = streams.declare(&seven()).await.unwrap().unwrap();
    let place = declared.tables[0].clone();
    let short = Place { row: 5, ..place.clone() };
    let gone = Place { stream: "0123456789abcdef".to_owned(), ..place };
    for lost in [short, gone] {
        let places = Places { tables: vec![lost], days: None };
        let refused = streams.write(Rows { places: Some(places.clone()), ..seven() }).await;
        assert!(matches!(refused, Err(WarehouseError::Fenced)), "{refused:?}");
        let claim = Claim { partition: 3, declared: Some((1, places)), ..Claim::default() };
        let found = streams.recover("log", &[claim]).await.unwrap();
        assert!(found[0].held[0].missing.minutes, "{found:?}");
    }
    // Declared anew, they are there once.
    let places = streams.declare(&seven()).await.unwrap();
    streams.write(Rows { places, ..seven() }).await.unwrap();
    let counted = asked.query("SELECT events FROM events_agg_1min", LIMITS).await.unwrap();
    assert_eq!(counted.rows, [[7]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contracts_of_the_functions_of_the_day() {
    let Some(emulator) = Bigquery::start_for_streams() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let Asked(open) = open(&emulator).await;
    let warehouse = Arc::new(open.streams(variable(&emulator)).await.unwrap());
    letters::suite(OpenLetters { warehouse, letters: Arc::new(open.letters()) }).await;
    training::suite(&open).await;
    runs::suite(&open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_shape_is_named_at_the_start() {
    let Some(emulator) = Bigquery::start_for_streams() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let asked = open(&emulator).await;
    let empty = BigqueryWarehouse::open("questline.empty", variable(&emulator)).await.unwrap();
    assert_eq!(said(&empty, &emulator).await, Some("there is no table `events`".to_owned()));
    for (change, expected) in [
        ("CREATE OR REPLACE TABLE ledger AS SELECT *, 1 AS more FROM ledger", None),
        (
            "CREATE OR REPLACE TABLE lookup_versions (loaded_at TIMESTAMP, function_version STRING,
                lookup STRING, version STRING, more INT64 NOT NULL)",
            Some(
                "the column `more` of `lookup_versions` must have a value, and this release has none for it",
            ),
        ),
        (
            "CREATE OR REPLACE TABLE ledger AS SELECT * EXCEPT (seq) FROM ledger",
            Some("the column `seq` of `ledger` is not there"),
        ),
        (
            "CREATE OR REPLACE TABLE events_agg_1min (window_start INT64)",
            Some("the column `window_start` of `events_agg_1min` is INTEGER"),
        ),
    ] {
        asked.query(change, LIMITS).await.unwrap();
        assert_eq!(said(&asked.0, &emulator).await.as_deref(), expected, "{change}");
    }
}

/// What is said of tables of another shape.
async fn said(warehouse: &BigqueryWarehouse, emulator: &Bigquery) -> Option<String> {
    match warehouse.streams(variable(emulator)).await {
        Ok(_) => None,
        Err(WarehouseError::Damaged { cause, .. }) => Some(cause.to_string()),
        Err(error) => Some(format!("{error:?}")),
    }
}
