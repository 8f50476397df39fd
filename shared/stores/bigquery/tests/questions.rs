//! Saved questions to an emulator, and to servers that fail.
#![allow(clippy::panic, clippy::unwrap_used, reason = "test helpers")]

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use questline_events::{
    Day,
    limits::{QUERY_BYTES, STATEMENT_BYTES},
    time,
};
use questline_stores::{
    saved::{ALL, Ask as _, Question, Saved},
    training::TrainingRuns as _,
    warehouse::{Answer, QueryError, QueryLimits, WarehouseError},
};
use questline_testing::{Bigquery, skip};
use questline_warehouse_bigquery::BigqueryWarehouse;
use serde_json::{Value, json};

const LIMITS: QueryLimits = QueryLimits { timeout: Duration::from_secs(60), rows: 1_000 };

async fn open(rest: &str) -> BigqueryWarehouse {
    let variable = |name: &str| (name == "QUESTLINE_BIGQUERY_REST").then(|| rest.to_owned());
    BigqueryWarehouse::open(Bigquery::DATASET, variable).await.unwrap()
}

fn question(name: &str, given: &[(&str, &str)]) -> Question {
    let now = time::parse("2026-11-25T12:00:00Z").unwrap();
    Saved::named(name).unwrap().ask(given.iter().copied(), now).unwrap()
}

fn cell<'a>(answer: &'a Answer, row: usize, column: &str) -> &'a Value {
    let at = answer.columns.iter().position(|name| name == column);
    &answer.rows[row][at.unwrap_or_else(|| panic!("no column {column}"))]
}

/// Texts that would end a literal, start a comment or name a parameter are texts.
const HOSTILE: &str = "\"'`;--/*@from_time\\ DROP TABLE events; \u{202e}\u{0}<script>";

fn rows() -> String {
    let event = |id: &str, user: &str, price: Value, received: &str| {
        json!({ "event_id": id, "app_id": "a", "user_id": user, "event_type": 2001,
            "event_name": "purchase", "timestamp": "2026-11-25T11:00:00.25Z",
            "event_date": "2026-11-25", "received_at": received, "price_usd": price,
            "is_paying_user": true, "days_since_install": -9_007_199_254_740_993_i64,
            "parameters": { "note": HOSTILE }, "counted": true, "source_log": "l",
            "source_partition": 3, "source_offset": 7 })
    };
    json!([
        event("first", HOSTILE, json!("0.1"), "2026-11-25T11:00:00.123456Z"),
        event("second", "other", Value::Null, "2026-11-25T11:00:01Z"),
    ])
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_from_tables_with_rows() {
    let Some(mut emulator) = Bigquery::start() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let warehouse = open(&emulator.rest).await;
    for saved in ALL {
        let answer = warehouse.ask(&question(saved.name, &[]), LIMITS).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", saved.name));
        assert!(answer.rows.is_empty() && answer.columns.len() > 1, "{}: {answer:?}", saved.name);
    }
    emulator.fill("events", &rows());
    let answer = warehouse.ask(&question("events/recent", &[]), LIMITS).await.unwrap();
    assert_eq!(answer.rows.len(), 2);
    for (row, column, expected) in [
        (0, "event_id", json!("second")),
        (0, "price_usd", Value::Null),
        (0, "user_id", json!("other")),
        (1, "user_id", json!(HOSTILE)),
        (1, "received_at", json!("2026-11-25T11:00:00.123456Z")),
        (1, "timestamp", json!("2026-11-25T11:00:00.250Z")),
        (1, "price_usd", json!(0.1)),
        (1, "is_paying_user", json!(true)),
        (1, "days_since_install", json!(-9_007_199_254_740_993_i64)),
        (1, "source_offset", json!(7)),
    ] {
        assert_eq!(cell(&answer, row, column), &expected, "{column}");
    }
    let parameters: Value =
        serde_json::from_str(cell(&answer, 1, "parameters").as_str().unwrap()).unwrap();
    assert_eq!(parameters["note"], HOSTILE);
    // A filter is a value, whatever it holds.
    let found = question("events/recent", &[("user_id", HOSTILE), ("event_type", "2001")]);
    let answer = warehouse.ask(&found, LIMITS).await.unwrap();
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(cell(&answer, 0, "event_id"), "first");
    let money = warehouse.ask(&question("revenue_daily_metrics/days", &[]), LIMITS).await.unwrap();
    assert_eq!(cell(&money, 0, "event_date"), "2026-11-25");
    assert_eq!(cell(&money, 0, "revenue_usd"), &json!(0.1));
    let one = QueryLimits { rows: 1, ..LIMITS };
    let error = warehouse.ask(&question("events/recent", &[]), one).await.unwrap_err();
    assert!(matches!(error, QueryError::TooManyRows(1)), "{error}");
    let nonsense = Question { bigquery: "SELECT nothing FROM nowhere", ..found };
    let error = warehouse.ask(&nonsense, LIMITS).await.unwrap_err();
    assert!(matches!(&error, QueryError::Invalid(why) if why.contains("nowhere")), "{error:?}");
}

/// A server that keeps what it is asked, and gives one answer after the other, each on a connection of
/// its own.
fn server(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let each = move || answers.iter().map(|answer| exchanged(&listener, answer)).collect();
    (address, thread::spawn(each))
}

/// What somebody asks, who is given this answer.
fn exchanged(listener: &TcpListener, answer: &str) -> String {
    let (mut client, _) = listener.accept().unwrap();
    let mut asked = String::new();
    loop {
        let mut some = [0; 65_536];
        let read = client.read(&mut some).unwrap();
        asked += &String::from_utf8_lossy(&some[..read]);
        let body = asked.split_once("\r\n\r\n").map(|(_, body)| body);
        if read == 0 || body.is_some_and(|body| serde_json::from_str::<Value>(body).is_ok()) {
            break;
        }
    }
    if answer.is_empty() {
        // Until nobody waits any more.
        _ = client.read(&mut [0; 1]);
    }
    _ = client.write_all(answer.as_bytes());
    asked
}

/// An answer as BigQuery gives it.
fn answered(status: &str, body: &Value) -> String {
    let (body, kind) = (body.to_string(), "content-type: application/json");
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{kind}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// What an answer says that is none.
fn refused(status: &str, reason: &str) -> Value {
    let error = json!({ "message": "no job here", "reason": reason });
    json!({ "error": { "message": "no job here", "status": status, "errors": [error] } })
}

/// What a job has given, or why it has given nothing.
fn done(errors: Value) -> Value {
    json!({ "jobComplete": true, "jobReference": { "projectId": "questline", "jobId": "j" },
        "schema": { "fields": [{ "name": "app_id", "type": "STRING" }] }, "totalRows": "1",
        "rows": [{ "f": [{ "v": "a" }] }], "errors": errors })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_says_what_it_may_cost_and_is_cut() {
    let (address, asked) = server(vec![String::new()]);
    let limits = QueryLimits { timeout: Duration::from_secs(5), rows: 10 };
    let began = Instant::now();
    let error = open(&address).await.ask(&question("ledger/apps", &[]), limits).await.unwrap_err();
    assert!(matches!(error, QueryError::Timeout(after) if after == limits.timeout), "{error}");
    assert!(began.elapsed() < Duration::from_secs(60));
    let asked = asked.join().unwrap().concat();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /bigquery/v2/projects/questline/queries"), "{head}");
    assert!(!head.to_lowercase().contains("authorization"), "an emulator wants nobody: {head}");
    let body: Value = serde_json::from_str(body).unwrap();
    for (member, expected) in [
        ("maximumBytesBilled", json!(QUERY_BYTES.to_string())),
        ("jobTimeoutMs", json!("5000")),
        ("timeoutMs", json!(5000)),
        ("useLegacySql", json!(false)),
        ("parameterMode", json!("NAMED")),
        ("defaultDataset", json!({ "projectId": "questline", "datasetId": "warehouse" })),
    ] {
        assert_eq!(body[member], expected, "{member}");
    }
    let most = json!({ "name": "most", "parameterType": { "type": "INT64" },
        "parameterValue": { "value": "100" } });
    assert_eq!(body["queryParameters"], json!([most]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_off_is_asked_again() {
    for (answer, status, reason) in [
        ("429 Too Many Requests", "RESOURCE_EXHAUSTED", "rateLimitExceeded"),
        ("503 Service Unavailable", "UNAVAILABLE", "backendError"),
        ("403 Forbidden", "PERMISSION_DENIED", "rateLimitExceeded"),
    ] {
        let put_off = answered(answer, &refused(status, reason));
        let (address, asked) = server(vec![put_off, answered("200 OK", &done(json!([])))]);
        let warehouse = open(&address).await;
        let found = warehouse.ask(&question("ledger/apps", &[]), LIMITS).await;
        assert!(found.is_ok(), "{answer}: {found:?}");
        assert_eq!(found.unwrap().rows, [[json!("a")]], "{answer}");
        let ids: Vec<_> = asked.join().unwrap().iter().map(|asked| request_id(asked)).collect();
        // It may have been carried out: under the same id that is not done twice.
        assert!(ids[0] == ids[1] || !answer.starts_with("503"), "{ids:?}");
    }
}

/// By what BigQuery knows a request that comes again.
fn request_id(asked: &str) -> String {
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    body["requestId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_very_late_are_looked_for_where_somebody_says_so() {
    for (given, days) in [(&[][..], "1"), (&[("late_days", "30")][..], "30")] {
        let (address, asked) = server(vec![String::new()]);
        let limits = QueryLimits { timeout: Duration::from_secs(5), rows: 10 };
        let question = question("events/recent", given);
        assert!(open(&address).await.ask(&question, limits).await.is_err());
        let asked = asked.join().unwrap().concat();
        let (_, body) = asked.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let mut values = body["queryParameters"].as_array().unwrap().iter();
        let late = values.find(|value| value["name"] == "late_days").unwrap();
        assert_eq!(late["parameterValue"]["value"], days);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_told_apart() {
    let job = |reason: &str| done(json!([{ "reason": reason, "message": "no job here" }]));
    for (answer, passing) in [
        (answered("403 Forbidden", &refused("PERMISSION_DENIED", "accessDenied")), true),
        (answered("403 Forbidden", &refused("PERMISSION_DENIED", "quotaExceeded")), true),
        (answered("400 Bad Request", &refused("INVALID_ARGUMENT", "invalidQuery")), false),
        (answered("200 OK", &job("quotaExceeded")), true),
        (answered("200 OK", &job("invalidQuery")), false),
    ] {
        let (address, _) = server(vec![answer.clone()]);
        let warehouse = open(&address).await;
        let error = warehouse.ask(&question("ledger/apps", &[]), LIMITS).await.unwrap_err();
        let said = match &error {
            QueryError::Unavailable(cause) if passing => cause.to_string(),
            QueryError::Invalid(why) if !passing => why.clone(),
            _ => "another kind of error".to_owned(),
        };
        assert!(said.contains("no job here"), "{answer}: {said}: {error:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let began = Instant::now();
    let warehouse = open(&format!("http://{nobody}")).await;
    let error = warehouse.ask(&question("ledger/apps", &[]), LIMITS).await.unwrap_err();
    assert!(matches!(&error, QueryError::Unavailable(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_cost_too_much_is_said_and_is_no_damage() {
    let why = "Query exceeded limit for bytes billed: 10737418240. 21474836480 or higher required.";
    let reason = json!({ "reason": "bytesBilledLimitExceeded" });
    let error = json!({ "error": { "message": why, "status": "INTERNAL", "errors": [reason] } });
    // A fault of BigQuery's own is believed when it comes again.
    let twice = || vec![answered("500 Internal Server Error", &error); 2];
    let (address, _) = server(twice());
    let asked = open(&address).await.ask(&question("ledger/apps", &[]), LIMITS).await;
    assert!(matches!(&asked, Err(QueryError::Invalid(said)) if said == why), "{asked:?}");
    let (address, sent) = server(twice());
    let ours = open(&address).await.latest(Day::from_number(0)).await;
    assert!(matches!(&ours, Err(WarehouseError::Unavailable(_))), "{ours:?}");
    let limit = format!("\"maximumBytesBilled\":\"{STATEMENT_BYTES}\"");
    let sent = sent.join().unwrap();
    assert!(sent.iter().all(|sent| sent.contains(&limit)), "{sent:?}");
}
