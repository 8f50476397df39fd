//! One job for a Sunday, whatever happens on the way.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::time::{Duration, Instant};

use questline_events::Day;
use questline_stores::training::TrainingRuns as _;
use questline_testing::{Bigquery, Fault, skip};
use questline_warehouse_bigquery::BigqueryWarehouse;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{Running, google, message, sunday};

/// The book, one line for each attempt.
fn lines(book: &[questline_stores::training::TrainingRun]) -> Vec<String> {
    let line = |run: &questline_stores::training::TrainingRun| {
        let detail = run.detail.as_deref().unwrap_or("-");
        format!("{} {} {} {detail}", run.training_date, run.attempt, run.state)
    };
    book.iter().map(line).collect()
}

#[tokio::test]
async fn a_sunday_is_trained_on_once_and_followed_to_its_end() {
    let sunday = sunday();
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    let trigger = Running::start(folder.path(), &google);
    let started = trigger.ready(&message(sunday)).await;
    assert_eq!(started["outcome"], "started", "{started}");
    let id = started["job"].as_str().unwrap().to_owned();
    let name = format!("difficulty-prediction-training-{}-", sunday.to_string().replace('-', ""));
    assert!(id.starts_with(&name), "{id}");

    let job = google.known().jobs[&id].clone();
    let shipped: Value = serde_json::from_str(include_str!("../pipeline/pipeline.json")).unwrap();
    assert_eq!(job["pipelineSpec"], shipped);
    assert_eq!(job["serviceAccount"], "training@game.iam.gserviceaccount.com");
    assert_eq!(job["runtimeConfig"]["gcsOutputDirectory"], "gs://game-training/jobs");
    let given = job["runtimeConfig"]["parameterValues"].clone();
    let manifest = given["manifest"].as_str().unwrap().strip_prefix("gs://").unwrap().to_owned();
    let expected = json!({
        "training_date": sunday, "lookback_days": 30, "manifest": format!("gs://{manifest}"),
        "features": "gs://game-features/features/level_features",
        "models": "gs://game-training/models"
    });
    assert_eq!(given, expected);

    // What the job finds there: the very files, checks and code.
    let content = google.known().objects[&manifest].clone();
    let digest: String =
        Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(manifest, format!("game-training/manifests/{sunday}-{}.json", &digest[..12]));
    let listed: Value = serde_json::from_slice(&content).unwrap();
    assert_eq!((listed["days"].as_array().unwrap().len(), &listed["run"]), (30, &json!("run-1")));
    let last = &listed["days"][29];
    assert_eq!(last["day"], json!(sunday));
    assert_eq!(last["files"][0]["path"], format!("{sunday}/part-0.parquet"));
    assert_eq!(last["files"][0]["sha256"], format!("{:064x}", 0));
    assert_eq!(last["checks"], json!({"level_metrics/pass_rate": "passed"}));
    let pipeline = Sha256::digest(include_bytes!("../pipeline/pipeline.json"));
    let pipeline: String = pipeline.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(listed["pipeline_version"], pipeline.as_str());

    let running = json!({"outcome": "stands", "job": id, "state": "running"});
    assert_eq!(trigger.ready(&message(sunday)).await, running);
    google.becomes(&id, "RUNNING");
    assert_eq!(trigger.follow().await, json!([{"job": id, "state": "running"}]));
    google.becomes(&id, "SUCCEEDED");
    assert_eq!(trigger.follow().await, json!([{"job": id, "state": "succeeded"}]));
    assert_eq!(trigger.follow().await, json!([]), "it has ended");
    let ended = trigger.ready(&message(sunday)).await;
    assert_eq!(ended["state"], "succeeded");
    assert_eq!(google.made(), (1, 1));
    let monday = sunday.end() / 1_000_000;
    let through = format!("questline_daily_trained_through_seconds {monday}");
    assert!(trigger.metrics().await.contains(&through), "{}", trigger.metrics().await);

    let book = trigger.book(folder.path()).await;
    assert_eq!(lines(&book), [format!("{sunday} 1 succeeded -")]);
    assert_eq!(book[0].job_id.as_deref(), Some(&*id));
    assert_eq!(book[0].manifest.as_deref(), Some(&*format!("gs://{manifest}")));
    assert_eq!((book[0].days_present, &*book[0].pipeline_version), (30, &*pipeline));
}

#[tokio::test]
async fn an_answer_that_was_lost_does_not_make_a_second_job() {
    let sunday = sunday();
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    google.known().faults.push_back(Fault::AnswerLost);
    let trigger = Running::start(folder.path(), &google);
    let answer = trigger.ready(&message(sunday)).await;
    assert_eq!((&answer["outcome"], &answer["state"]), (&json!("stands"), &json!("running")));
    assert_eq!(google.made(), (1, 2));
    // Nor does a process that is killed, or one that has lost its book.
    trigger.kill();
    let again = Running::start(folder.path(), &google);
    assert_eq!(again.ready(&message(sunday)).await["outcome"], "stands");
    drop(again);
    let other = folder.path().join("other");
    let forgetful = Running::start(&other, &google);
    assert_eq!(forgetful.ready(&message(sunday)).await["outcome"], "stands");
    assert_eq!(google.known().jobs.len(), 1);
    let book = forgetful.book(&other).await;
    assert_eq!(lines(&book), [format!("{sunday} 1 running -")]);
    assert!(book[0].manifest.is_some(), "the job says what it is trained on");
}

#[tokio::test]
async fn messages_that_come_at_once_make_one_job() {
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    let trigger = Running::start(folder.path(), &google);
    let message = message(sunday());
    let answers = tokio::join!(
        trigger.ready(&message),
        trigger.ready(&message),
        trigger.ready(&message),
        trigger.ready(&message)
    );
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        assert!(answer["outcome"] == "started" || answer["outcome"] == "stands", "{answer}");
    }
    assert_eq!(google.known().jobs.len(), 1);
    assert_eq!(lines(&trigger.book(folder.path()).await).len(), 1);
}

#[tokio::test]
async fn a_failed_or_cancelled_job_makes_way_for_the_next_suffix() {
    let sunday = sunday();
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    let trigger = Running::start(folder.path(), &google);
    let mut ids = Vec::new();
    // One is heard of by following, one by asking, one not at all.
    for (end, follow) in [("FAILED", true), ("CANCELLED", false), ("FAILED", false)] {
        let started = trigger.ready(&message(sunday)).await;
        assert_eq!(started["outcome"], "started", "{started}");
        let id = started["job"].as_str().unwrap().to_owned();
        google.becomes(&id, "CANCELLING");
        assert_eq!(trigger.ready(&message(sunday)).await["state"], "running", "not ended yet");
        google.becomes(&id, end);
        if follow {
            trigger.follow().await;
        }
        ids.push(id);
    }
    assert_eq!(ids[1..], [format!("{}-2", ids[0]), format!("{}-3", ids[0])]);
    let given_up = json!({"outcome": "given_up", "job": ids[2]});
    assert_eq!(trigger.ready(&message(sunday)).await, given_up);
    assert_eq!(trigger.ready(&message(sunday)).await, given_up);
    assert_eq!(google.known().creations, 3);
    let book = trigger.book(folder.path()).await;
    let why = "The replica ran out of memory.";
    let expected = [
        format!("{sunday} 1 failed {why}"),
        format!("{sunday} 2 cancelled -"),
        format!("{sunday} 3 failed {why}"),
    ];
    assert_eq!(lines(&book), expected);
}

#[tokio::test]
async fn a_job_that_somebody_deleted_is_known_to_be_gone() {
    let sunday = sunday();
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    let trigger = Running::start(folder.path(), &google);
    trigger.ready(&message(sunday)).await;
    google.known().jobs.clear();
    let followed = trigger.follow().await;
    assert_eq!(followed[0]["state"], "cancelled");
    let started = trigger.ready(&message(sunday)).await;
    assert!(started["job"].as_str().unwrap().ends_with("-2"), "{started}");
    let book = lines(&trigger.book(folder.path()).await);
    assert_eq!(book[0], format!("{sunday} 1 cancelled somebody has deleted it"));
}

#[tokio::test]
async fn what_is_put_off_is_tried_again_until_patience_ends() {
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    google.known().faults.extend([Fault::PutOff, Fault::Status(503), Fault::Status(500)]);
    let trigger = Running::start(folder.path(), &google);
    let begun = Instant::now();
    assert_eq!(trigger.ready(&message(sunday())).await["outcome"], "started");
    assert!(begun.elapsed() >= Duration::from_secs(1), "it is to wait as long as it is told");
    assert_eq!(google.known().creations, 4);

    google.known().broken = Some(503);
    let begun = Instant::now();
    let (status, problem) = trigger.pushed(&message(sunday()).to_string()).await;
    assert_eq!(status, 503, "it is to come again: {problem}");
    let said = problem["detail"].as_str().unwrap();
    assert!(said.contains("training cannot be reached"), "{said}");
    // The last attempt may be cut on its way.
    assert!(said.contains("503") || said.contains("elapsed"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(50), "before the push ends: {begun:?}");
    google.known().broken = None;
    assert_eq!(trigger.ready(&message(sunday())).await["outcome"], "stands");
}

#[tokio::test]
async fn what_is_refused_is_said_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    google.known().faults.push_back(Fault::Status(403));
    let trigger = Running::start(folder.path(), &google);
    let (status, problem) = trigger.pushed(&message(sunday()).to_string()).await;
    assert_eq!(status, 500, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("Permission denied."), "{problem}");
    assert_eq!(google.known().creations, 1, "a refusal is not tried again by itself");
    assert!(!trigger.metrics().await.contains("trained_through_seconds 1"));
    // After its mend the same message is enough.
    assert_eq!(trigger.ready(&message(sunday())).await["outcome"], "started");
}

#[tokio::test]
async fn a_refusal_stands_in_the_book() {
    let sunday = sunday();
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    google.known().faults.push_back(Fault::Status(403));
    let trigger = Running::start(folder.path(), &google);
    trigger.pushed(&message(sunday).to_string()).await;
    let book = lines(&trigger.book(folder.path()).await);
    assert_eq!(book, [format!("{sunday} 1 refused 403 Forbidden: Permission denied.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_book_may_be_a_table_of_bigquery() {
    let sunday = sunday();
    let Some(emulator) = Bigquery::start() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    let variables = [
        ("QUESTLINE_WAREHOUSE", &*format!("bigquery:{}", Bigquery::DATASET)),
        ("QUESTLINE_BIGQUERY_REST", &*emulator.rest),
    ];
    let trigger = Running::start_with(folder.path(), &google, &variables);
    let started = trigger.ready(&message(sunday)).await;
    assert_eq!(started["outcome"], "started", "{started}");
    let id = started["job"].as_str().unwrap();
    google.becomes(id, "FAILED");
    trigger.kill();
    let trigger = Running::start_with(folder.path(), &google, &variables);
    assert_eq!(trigger.follow().await, json!([{"job": id, "state": "failed"}]));
    let again = trigger.ready(&message(sunday)).await;
    assert_eq!(again["job"], format!("{id}-2"));
    trigger.end();
    let variable = |name: &str| (name == "QUESTLINE_BIGQUERY_REST").then(|| emulator.rest.clone());
    let book = BigqueryWarehouse::open(Bigquery::DATASET, variable).await.unwrap();
    let book = lines(&book.latest(Day::from_number(0)).await.unwrap());
    let why = "The replica ran out of memory.";
    assert_eq!(book, [format!("{sunday} 1 failed {why}"), format!("{sunday} 2 running -")]);
}
