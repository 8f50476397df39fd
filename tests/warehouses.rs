//! The page over both warehouses: the function itself, once over a DuckDB file and once over BigQuery
//! (an emulator) with the same rows. Every saved question has the same answer.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use questline_client::{Answer, Reply};
use questline_events::time;
use questline_stores::{
    saved::{ALL, Ask as _, Question, Saved, Value as Parameter},
    warehouse::QueryLimits,
};
use questline_testing::{Bigquery, a_day_that_lasts, skip, until};
use questline_warehouse_bigquery::BigqueryWarehouse;
use serde_json::{Value, json};
use support::{Stack, binary, now_micros};

const DAY: i64 = 86_400 * 1_000_000;
/// Days of play, counted back from today: an install day has its first and its seventh day after.
const AGES: [i64; 5] = [8, 7, 2, 1, 0];
const USER: &str = "u-3 <b>\u{202e}'\"";

/// A day of twelve players, in another order each day, with texts and numbers that are easily bent.
fn play(age: i64) -> Vec<Value> {
    let midnight = now_micros() / DAY * DAY - age * DAY;
    let mut events = Vec::new();
    for player in 0..12_i64 {
        let user = if player == 3 { USER.to_owned() } else { format!("u-{player}") };
        let platform = ["ios", "android", "web"][usize::try_from(player % 3).unwrap()];
        let mut add = |second: i64, kind: i64, parameters: Value| {
            let at = midnight + second * 1_000_000 + 1_000 * player + 7;
            events.push(json!({
                "id": format!("{age}-{player}-{}", events.len()), "user_id": user, "type": kind,
                "timestamp": time::text(at), "session_id": format!("s-{}", second / 10),
                "platform": platform,
                "app_version": "1.0.\u{fc}", "is_paying_user": player % 4 == 0,
                "parameters": parameters, "shop": { "b": [1, null, "\u{1f3ae}"], "a": 0.1 },
            }));
        };
        if (player + age) % 5 == 0 {
            continue;
        }
        for level in 0..=(player + age) % 4 {
            let level_id = if level == 2 { json!("two \u{0}<i>") } else { json!(level) };
            let moves = 10 + (player * 7 + level * 3 + age) % 23;
            let mut won = json!({ "level_id": level_id, "time_seconds": 0.1 * moves as f64,
                "note": { "z": 9_007_199_254_740_993_i64, "y": 1e-7, "x": "\\\"\u{7f}" } });
            if player != 7 {
                won["moves_used"] = json!(moves);
            }
            add(level * 10, 1001, json!({ "level_id": level_id }));
            add(level * 10 + 5, if moves % 3 == 0 { 1003 } else { 1002 }, won);
        }
        if player % 4 == 0 {
            let price = ["0.99", "4.99", "0"][usize::try_from(player / 4).unwrap()];
            let price: Value = serde_json::from_str(price).unwrap();
            let transaction_id = format!("t-{age}-{}", player / 8);
            add(50, 2001, json!({ "price_usd": price, "transaction_id": transaction_id }));
        }
        add(55, 3002, json!({ "duration_sec": 33.25 * player as f64 }));
    }
    events
}

/// Plays some days, some of it twice and some of it wrong, and waits until those over are closed.
async fn played(stack: &Stack) {
    for (at, age) in (0_u8..).zip(AGES) {
        let mut events = play(age);
        let again = events.iter().take(5).cloned().collect::<Vec<_>>();
        events.extend(again);
        events.push(json!({ "id": format!("bad-{age}"), "user_id": USER, "type": 1001,
            "timestamp": time::text(now_micros()), "parameters": { "level": "\u{0}" } }));
        events.push(json!({ "id": "", "user_id": "u", "type": 1001 }));
        for events in events.chunks(100) {
            let body = serde_json::to_vec(events).unwrap();
            let from = Ipv4Addr::new([8, 81, 91][usize::from(at % 3)], 8, 8, 8);
            let Reply::Receipt(receipt, _) = stack.ingest().post(&body, Some(from)).await.unwrap()
            else {
                unreachable!("refused")
            };
            assert_eq!(receipt.stored, events.len());
        }
    }
    stack.settle().await;
    let closed = "SELECT count(DISTINCT event_date) FROM level_metrics";
    for _ in 0..600 {
        if stack.number(closed).await == 4 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    unreachable!("the days were not closed");
}

/// The function over a warehouse. It is killed when it is dropped.
struct Page(Child, String);

impl Drop for Page {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Page {
    fn over(warehouse: &str, more: &[(&str, &str)]) -> Self {
        let port = questline_testing::free_port();
        let child = Command::new(binary("questline-dashboard"))
            .env_clear()
            .envs(more.iter().copied())
            .env("QUESTLINE_WAREHOUSE", warehouse)
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let page = Self(child, format!("http://127.0.0.1:{port}"));
        until("the page listens", Duration::from_secs(20), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        page
    }

    async fn get(&self, path: &str, given: &[(&str, &str)]) -> Value {
        let client = reqwest::Client::new();
        let asked = client.get(format!("{}/api/{path}", self.1)).query(given).send().await.unwrap();
        let status = asked.status();
        let said = asked.text().await.unwrap();
        assert!(status.is_success(), "{path} {given:?}: {status} {said}");
        serde_json::from_str(&said).unwrap()
    }
}

/// Equal, however it is written: a moment with zeros or without, an object in another order.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (Some(one), Some(other)) = (one.as_f64(), other.as_f64()) else { return false };
            (one - other).abs() <= 1e-9 * one.abs().max(1.0)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let found = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| same(value, other))
            };
            one.len() == other.len() && one.iter().all(found)
        }
        (Value::String(one), Value::String(other)) if one != other => {
            let moments = time::parse(one).zip(time::parse(other));
            let read = |text| serde_json::from_str::<Value>(text).ok();
            let read = || read(one).zip(read(other)).filter(|(one, _)| !one.is_number());
            moments.is_some_and(|(one, other)| one == other)
                || read().is_some_and(|(one, other)| same(&one, &other))
        }
        _ => one == other,
    }
}

/// What a question can be asked, besides its range: nothing, and each of its parameters.
fn filters(saved: &Saved) -> Vec<Vec<(&'static str, &'static str)>> {
    const GIVEN: [(&str, &str); 14] = [
        ("app_id", "local"),
        ("app_id", "none"),
        ("platform", "ios"),
        ("country", "US"),
        ("country", "unknown"),
        ("user_id", USER),
        ("event_type", "1002"),
        ("app_version", "1.0.\u{fc}"),
        ("verdict", "accepted"),
        ("verdict", "dead_lettered"),
        ("verdict", "invalid_parameters"),
        ("reason", "missing_field"),
        ("bucket_seconds", "3600"),
        ("most", "3"),
    ];
    let known = saved.parameters();
    let of_it = GIVEN.into_iter().filter(|(name, _)| known.contains(name));
    let single = of_it.map(|pair| vec![pair]);
    let mut all: Vec<_> = std::iter::once(Vec::new()).chain(single).collect();
    if known.contains(&"country") {
        all.push(vec![("platform", "ios"), ("country", "US")]);
    }
    for given in &mut all {
        if known.contains(&"most") && !given.iter().any(|(name, _)| *name == "most") {
            given.push(("most", "1000"));
        }
    }
    all
}

fn check(name: &str, given: &[(&str, &str)], duckdb: &Value, bigquery: &Value) {
    assert_eq!(duckdb["columns"], bigquery["columns"], "{name}");
    let rows = |answer: &Value| answer["rows"].as_array().unwrap().clone();
    let (ours, theirs) = (rows(duckdb), rows(bigquery));
    let columns = duckdb["columns"].as_array().unwrap();
    for (at, (one, other)) in ours.iter().zip(&theirs).enumerate() {
        for (place, column) in columns.iter().enumerate() {
            let (one, other) = (&one[place], &other[place]);
            // Of quotients of money the emulator keeps three places.
            let coarse = column == "arpdau" || column == "arppu";
            let near = || Some((one.as_f64()? - other.as_f64()?).abs() < 1e-3);
            let well = same(one, other) || coarse && near() == Some(true);
            assert!(well, "{name} {given:?}, row {at}, {column}:\n{one}\n{other}");
        }
    }
    assert_eq!(ours.len(), theirs.len(), "{name} {given:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_has_the_same_answer_from_both_warehouses() {
    let Some(mut emulator) = Bigquery::start() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    a_day_that_lasts(Duration::from_secs(300));
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let stack = Stack::start(&directory);
    played(&stack).await;
    let metrics = "SELECT * FROM level_metrics ORDER BY event_date, level_id";
    let metrics = stack.operator().query(metrics).await.unwrap();
    assert!(stack.terminate().success());
    assert!(emulator.copy(&directory.join("warehouse.duckdb")) > 500);

    let place = |kind: &str| format!("{kind}:{}", directory.display());
    let duckdb = Page::over(&place("duckdb"), &[("QUESTLINE_LOG", &place("sqlite"))]);
    let rest = [("QUESTLINE_BIGQUERY_REST", emulator.rest.as_str())];
    let bigquery = Page::over(&format!("bigquery:{}", Bigquery::DATASET), &rest);
    let now = now_micros();
    let (from, to) = (time::text(now - 10 * DAY), time::text(now + 60_000_000));
    for saved in ALL {
        for (at, given) in filters(saved).iter().enumerate() {
            let mut asked = given.clone();
            let known = saved.parameters();
            let range = [("from_time", from.as_str()), ("to_time", to.as_str())];
            asked.extend(range.into_iter().filter(|(name, _)| known.contains(name)));
            let path = format!("ask/{}", saved.name);
            let one = duckdb.get(&path, &asked).await;
            check(saved.name, given, &one, &bigquery.get(&path, &asked).await);
            assert!(at > 0 || one["rows"] != json!([]), "{} has nothing to compare", saved.name);
        }
    }
    shows_what_was_sent(&duckdb).await;
    agrees_on_the_metrics_of_a_day(&emulator, &metrics).await;
}

/// The event browser's other half: the bytes as the log has them.
async fn shows_what_was_sent(page: &Page) {
    let told = page.get("page", &[]).await;
    assert_eq!(told["records"], true);
    let recent = [("user_id", USER), ("verdict", "accepted"), ("most", "1")];
    let recent = page.get("ask/events/recent", &recent).await;
    let columns = recent["columns"].as_array().unwrap();
    let cell =
        |name: &str| &recent["rows"][0][columns.iter().position(|column| column == name).unwrap()];
    let text =
        |name: &str| cell(name).as_str().map_or_else(|| cell(name).to_string(), str::to_owned);
    let place = ["source_log", "source_partition", "source_offset"].map(text);
    let given = [("log", &*place[0]), ("partition", &*place[1]), ("offset", &*place[2])];
    let record = page.get("record", &given).await;
    let bytes = BASE64_STANDARD.decode(record["raw_base64"].as_str().unwrap()).unwrap();
    let sent = play(0).into_iter().find(|event| event["id"] == *cell("event_id")).unwrap();
    assert_eq!(bytes, serde_json::to_vec(&sent).unwrap());
}

/// What the daily run has written, percentiles among it, is what the other warehouse would write.
async fn agrees_on_the_metrics_of_a_day(emulator: &Bigquery, metrics: &Answer) {
    let rest = emulator.rest.clone();
    let variable = move |name: &str| (name == "QUESTLINE_BIGQUERY_REST").then(|| rest.clone());
    let warehouse = BigqueryWarehouse::open(Bigquery::DATASET, variable).await.unwrap();
    let limits = QueryLimits { timeout: Duration::from_secs(60), rows: 1_000 };
    let column = |columns: &[String], name: &str| columns.iter().position(|n| n == name).unwrap();
    let date = column(&metrics.columns, "event_date");
    let mut dates: Vec<_> = metrics.rows.iter().map(|row| row[date].clone()).collect();
    dates.dedup();
    assert_eq!(dates.len(), 4);
    for day in dates {
        let question = Question {
            name: "level_metrics/query",
            bigquery: include_str!("../sql/level_metrics/query.sql"),
            duckdb: "",
            values: vec![("date", Parameter::Text(day.as_str().map(str::to_owned)))],
        };
        let mut theirs = warehouse.ask(&question, limits).await.unwrap();
        let level = column(&theirs.columns, "level_id");
        theirs.rows.sort_by_key(|row| row[level].as_str().map(str::to_owned));
        let ours: Vec<_> = metrics.rows.iter().filter(|row| row[date] == day).collect();
        assert_eq!(ours.len(), theirs.rows.len(), "{day}");
        for (ours, row) in ours.into_iter().zip(&theirs.rows) {
            for name in &theirs.columns {
                let (ours, other) =
                    (&ours[column(&metrics.columns, name)], &row[column(&theirs.columns, name)]);
                assert!(same(ours, other), "{name} of {day}: {ours} and {other}");
            }
        }
    }
}
