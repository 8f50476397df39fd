//! What a day hands on reaches Cloud Storage, Pub/Sub and SNS as it reaches a directory.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use axum::{Router, routing::post};
use questline_events::{Day, time::text};
use questline_pubsub::{Settings, each};
use questline_runtime::clock::now_micros;
use questline_stores::daily::{MESSAGES, features_of, manifest_of};
use questline_testing::{Aws, Google, Pubsub, skip};
use serde_json::{Value, json};
use support::Place;
use tokio::time::timeout;

/// A day that has ended, whatever the time is.
fn day() -> Day {
    static TODAY: LazyLock<Day> = LazyLock::new(|| Day::of(now_micros()));
    TODAY.plus(-2)
}

/// A warehouse with a day of play, which nobody has open.
async fn played(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    let mut place = Place::open(directory, "2024-03-01T02:00:00Z");
    let at = text(day().start());
    let level = |id: &str| json!({"timestamp": at, "level_id": id});
    place.events(&[level("1"), level("2")]).await;
    place.close_ledger(&text(day().end())).await;
    place.warehouse.close().await;
}

/// A row more in the ledger of the day, of a warehouse which nobody has open.
async fn ledger(directory: &Path, mut row: Value) {
    let place = Place::open(directory, "2024-03-01T02:00:00Z");
    row["source"] = json!("boot");
    row["app_id"] = json!("a");
    row["minute"] = json!(text(day().start()));
    place.ledger(&[row]).await;
    place.warehouse.close().await;
}

/// The day's job, by the real program.
fn closed(directory: &Path, variables: &[(&str, String)]) -> Output {
    let mut job = Command::new(env!("CARGO_BIN_EXE_questline-daily-aggregate"));
    job.env("QUESTLINE_WAREHOUSE", format!("duckdb:{}", directory.display()))
        .env("QUESTLINE_FEATURES", format!("file:{}", directory.join("features").display()))
        .env("QUESTLINE_METRICS_READY", format!("file:{}", directory.display()))
        .env("QUESTLINE_DAILY", json!({ "date": day() }).to_string())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a job said.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn ended_well(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// The message that lies in a directory.
fn message(directory: &Path) -> Value {
    let line = std::fs::read_to_string(directory.join(MESSAGES)).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_is_handed_what_a_directory_is_and_a_folder_without_its_manifest_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (own, handed) = (folder.path().join("own"), folder.path().join("handed"));
    for directory in [&own, &handed] {
        played(directory).await;
    }
    ended_well(&closed(&own, &[]));
    let Some(pubsub) = Pubsub::start(folder.path()) else {
        return skip("pubsub", "go cannot build Google's test server");
    };
    let google = Google::start().await;
    let more = [
        ("PUBSUB_EMULATOR_HOST", pubsub.address.clone()),
        ("QUESTLINE_FEATURES", "gs://game-features/features".to_owned()),
        ("QUESTLINE_METRICS_READY", format!("pubsub:{}", Pubsub::TOPIC)),
    ];
    let variables = [&google.variables(folder.path())[..], &more].concat();
    ended_well(&closed(&handed, &variables));

    let part = format!("{}/part-0.parquet", features_of(day()));
    let object = |name: &str| format!("game-features/features/{name}");
    for name in [&part, &manifest_of(day())] {
        let expected = std::fs::read(own.join("features").join(name)).unwrap();
        assert_eq!(google.known().objects.get(&object(name)).unwrap(), &expected, "{name}");
    }
    let settings =
        Settings::read(|name| (name == "PUBSUB_EMULATOR_HOST").then(|| pubsub.address.clone()));
    let (got, stop) = (Mutex::new(Vec::new()), Arc::new(tokio::sync::Notify::new()));
    let reading = each(settings.unwrap(), Pubsub::SUBSCRIPTION, stop.notified(), |data| {
        got.lock().unwrap().push(data);
        stop.notify_one();
        async { true }
    });
    timeout(Duration::from_secs(30), reading).await.unwrap().unwrap();
    let got: Value = serde_json::from_slice(&got.lock().unwrap()[0]).unwrap();
    assert_eq!(got, message(&own));
    assert_eq!(got["manifest"], json!(manifest_of(day())));

    // A day that does not pass any more has no features, until it does.
    let there = |name: &str| google.known().objects.contains_key(&object(name));
    let lost = json!({"hop": "ingest", "seq": 99, "received": 1, "stored": 1, "closing": true});
    ledger(&handed, lost).await;
    assert!(!closed(&handed, &variables).status.success());
    assert!(!there(&manifest_of(day())));
    ledger(&handed, json!({"hop": "process", "read": 1, "duplicate": 1})).await;
    ended_well(&closed(&handed, &variables));
    assert!(there(&manifest_of(day())));

    // Half of a new folder is none: nobody takes the old manifest for what lies there now.
    google.known().refused = Some("part-0.parquet");
    let refused = closed(&handed, &variables);
    let said = said(&refused);
    assert!(!refused.status.success() && said.contains("gs://game-features"), "{said}");
    assert!(there(&part) && !there(&manifest_of(day())));
}

/// A call to SNS by its form, and a value of its answer.
async fn sns(aws: &Aws, form: &str, wanted: &str) -> String {
    let call = reqwest::Client::new()
        .post(&aws.url)
        .header("authorization", Aws::authorization("sns"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned());
    let answer = call.send().await.unwrap().text().await.unwrap();
    let value = answer.split(&format!("<{wanted}>")).nth(1);
    let value = value.and_then(|rest| rest.split('<').next());
    assert!(value.is_some(), "{answer}");
    value.unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amazon_is_told_that_metrics_are_ready() {
    let folder = tempfile::tempdir().unwrap();
    let Some(aws) = Aws::start(folder.path()) else {
        return skip("aws", "QUESTLINE_PYTHON names no moto_server");
    };
    let (own, told) = (folder.path().join("own"), folder.path().join("told"));
    for directory in [&own, &told] {
        played(directory).await;
    }
    ended_well(&closed(&own, &[]));
    // A subscriber, by HTTP.
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let app =
        Router::new().route("/", post(move |body: String| async move { _ = send.send(body) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http%3A%2F%2F{}%2F", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let topic = sns(&aws, "Action=CreateTopic&Name=metrics-ready", "TopicArn").await;
    let subscribe = format!("Action=Subscribe&Protocol=http&TopicArn={topic}&Endpoint={endpoint}");
    sns(&aws, &subscribe, "SubscriptionArn").await;

    let mut variables = aws.variables().to_vec();
    variables.push(("QUESTLINE_METRICS_READY", format!("sns:{topic}")));
    ended_well(&closed(&told, &variables));
    let notified = timeout(Duration::from_secs(20), async {
        loop {
            let notice: Value = serde_json::from_str(&receive.recv().await.unwrap()).unwrap();
            if notice["Type"] == "Notification" {
                break notice["Message"].as_str().unwrap().to_owned();
            }
        }
    });
    let got: Value = serde_json::from_str(&notified.await.unwrap()).unwrap();
    assert_eq!(got, message(&own));

    // A topic that is not there is said, and the day's step has failed.
    let gone = [variables.as_slice(), &[("QUESTLINE_METRICS_READY", format!("sns:{topic}-gone"))]];
    let refused = closed(&told, &gone.concat());
    let said = said(&refused);
    assert!(!refused.status.success() && said.contains("metrics_ready"), "{said}");
}
