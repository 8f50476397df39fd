//! How the message arrives, and when nothing is to be started.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use questline_pubsub::{Settings, Topic};
use questline_testing::{Pubsub, free_port, skip, until};
use serde_json::{Value, json};
use support::{Running, binary, google, message, spawn, sunday, variables};

#[tokio::test]
async fn conditions_that_are_not_met_are_said_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let google = google(23).await;
    let trigger = Running::start(folder.path(), &google);
    let monday = trigger.ready(&message(sunday().plus(1))).await;
    assert_eq!(monday["outcome"], "not_due");
    let why = format!("training follows a Sun, and {} is none", sunday().plus(1));
    assert_eq!(monday["why"], why);

    let mut bad = message(sunday());
    (bad["checks_passed"], bad["residue"]) = (json!(false), json!(0.25));
    let answer = trigger.ready(&bad).await;
    let unmet = json!([
        "a check of the day failed: see quality_results",
        format!("the ledger misses 25.0000 % of {}: see ledger_residue", sunday()),
        "features of 23 days are there, and 24 are needed"
    ]);
    assert_eq!(answer, json!({"outcome": "not_met", "unmet": unmet}));
    assert_eq!(google.made(), (0, 0));
    let book = trigger.book(folder.path()).await;
    let written: Vec<_> =
        book.iter().map(|run| (run.attempt, &*run.state, run.days_present)).collect();
    assert_eq!(written, [(0, "not_met", 23)]);
    assert!(book[0].detail.as_deref().unwrap().contains("and 24 are needed"));
}

#[tokio::test]
async fn terms_are_the_environments() {
    let folder = tempfile::tempdir().unwrap();
    let google = google(8).await;
    let terms = [
        ("QUESTLINE_TRAINING_WEEKDAY", "saturday"),
        ("QUESTLINE_TRAINING_LOOKBACK_DAYS", "14"),
        ("QUESTLINE_TRAINING_SHARE", "0.5"),
    ];
    let trigger = Running::start_with(folder.path(), &google, &terms);
    assert_eq!(trigger.ready(&message(sunday())).await["outcome"], "not_due");
    let started = trigger.ready(&message(sunday().plus(-1))).await;
    assert_eq!(started["outcome"], "started", "7 of 14 days are there: {started}");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_bad_request_and_harms_nobody() {
    let sunday = sunday();
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    let trigger = Running::start(folder.path(), &google);
    for data in ["", "{", "[]", r#"{"day":"tomorrow"}"#, r#"{"day":"2026-11-22"}"#] {
        let (status, problem) = trigger.pushed(data).await;
        assert_eq!(status, 400, "{data}: {problem}");
    }
    let large = format!("{}{}", " ".repeat(70_000), message(sunday));
    let client = reqwest::Client::new();
    let answer = client.post(format!("{}/push", trigger.url)).body(large).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    // Features that are no manifest: broken, and said to be.
    let name = format!("game-features/features/level_features/{sunday}/manifest.json");
    let kept = google.known().objects.insert(name.clone(), "{}".into()).unwrap();
    let (status, problem) = trigger.pushed(&message(sunday).to_string()).await;
    assert_eq!(status, 500, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("export that day anew"), "{problem}");
    google.known().objects.insert(name, kept);
    assert_eq!(trigger.ready(&message(sunday)).await["outcome"], "started");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_pulls_what_the_daily_run_publishes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(pubsub) = Pubsub::start(folder.path()) else {
        return skip("pubsub", "go cannot build Google's test server");
    };
    let settings =
        Settings::read(|name| (name == "PUBSUB_EMULATOR_HOST").then(|| pubsub.address.clone()));
    let settings = settings.unwrap();
    let google = google(30).await;
    let from = format!("pubsub:{}", Pubsub::SUBSCRIPTION);
    let more = [("PUBSUB_EMULATOR_HOST", &*pubsub.address), ("QUESTLINE_METRICS_READY", &from)];
    let trigger = Running::start_with(folder.path(), &google, &more);
    let topic = Topic::open(settings, Pubsub::TOPIC).await.unwrap();
    // One that cannot be read does not hold the others up.
    topic.publish(b"{".to_vec()).await.unwrap();
    for _ in 0..2 {
        topic.publish(message(sunday()).to_string().into()).await.unwrap();
    }
    // A worker that ends between the job and its line of the book leaves that to the next message.
    let began = Instant::now();
    while !trigger.metrics().await.contains("trained_through_seconds 1") {
        assert!(began.elapsed() < Duration::from_secs(60), "no job is written down");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let book = trigger.book(folder.path()).await;
    assert_eq!((book.len(), &*book[0].state), (1, "running"));
    assert_eq!(google.known().jobs.len(), 1);
}

/// A token as Cloud Run passes it on once it has verified it: meant for somebody, and of somebody.
fn token(audience: &str, email: &str) -> String {
    let head = json!({"alg": "RS256", "kid": "1", "typ": "JWT"});
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": audience, "email": email,
        "email_verified": true, "exp": 4_102_444_800_u64
    });
    let text = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.SIGNATURE_REMOVED_BY_GOOGLE", text(head), text(claims))
}

#[tokio::test]
async fn nobody_is_let_in_but_the_callers_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let google = google(30).await;
    let (us, caller) = ("questline-ml-trigger", "push@game.iam.gserviceaccount.com");
    let named = [
        ("QUESTLINE_CALLERS", caller),
        ("QUESTLINE_AUDIENCE", us),
        ("QUESTLINE_CALLERS_SIGNATURE", "platform"),
        ("K_SERVICE", us),
        ("HOST", "127.0.0.1"),
    ];
    let trigger = Running::start_with(folder.path(), &google, &named);
    let client = reqwest::Client::new();
    for (path, let_in) in [("/push", 400_u16), ("/follow", 200)] {
        for (token, status) in [
            (None, 401),
            (Some(token("questline-daily-aggregate", caller)), 401),
            (Some(token(us, "other@game.iam.gserviceaccount.com")), 403),
            (Some(token(us, caller)), let_in),
        ] {
            let call = client.post(format!("{}{path}", trigger.url));
            let call = match &token {
                Some(token) => call.bearer_auth(token),
                None => call,
            };
            let answer = call.send().await.unwrap();
            assert_eq!(answer.status(), status, "{path} by {token:?}");
        }
    }
}

/// The answer of Lambda to an event.
async fn invoked(api: &str, event: &Value) -> Value {
    let url = format!("{api}/2015-03-31/functions/ml-trigger/invocations");
    let answer = reqwest::Client::new().post(url).json(event).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn lambda_answers_sns_eventbridge_and_schedules() {
    let folder = tempfile::tempdir().unwrap();
    let tools = std::env::var_os("QUESTLINE_PYTHON").map(PathBuf::from);
    let tool = tools.map(|tools| tools.join("cargo-lambda")).filter(|tool| tool.exists());
    let Some(tool) = tool else {
        return skip("lambda", "QUESTLINE_PYTHON names no cargo-lambda");
    };
    let google = google(30).await;
    let (port, log) = (free_port(), folder.path().join("log"));
    // It watches a package of its own, and never builds it.
    let package = folder.path().join("package");
    std::fs::create_dir_all(package.join("src")).unwrap();
    let manifest = "[package]\nname = \"ml-trigger\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    std::fs::write(package.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(package.join("src/main.rs"), "fn main() {}\n").unwrap();
    let mut emulator = Command::new(tool);
    emulator.args(["lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P"]);
    emulator.arg(port.to_string()).current_dir(package);
    let mut emulator = spawn(emulator, &log);
    until("the runtime API listens", Duration::from_secs(30), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let mut function = binary();
    function
        .envs(variables(folder.path(), &google))
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt/ml-trigger"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "ml-trigger")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1");
    let mut function = spawn(function, &log);
    let api = format!("http://127.0.0.1:{port}");

    let notified = json!({"Records": [{
        "EventSource": "aws:sns", "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:eu-west-1:111122223333:questline-metrics-ready:1",
        "Sns": {
            "Type": "Notification", "MessageId": "1", "Subject": null,
            "TopicArn": "arn:aws:sns:eu-west-1:111122223333:questline-metrics-ready",
            "Message": message(sunday()).to_string(), "Timestamp": "2026-11-23T02:10:00.000Z",
            "SignatureVersion": "1", "Signature": "x", "SigningCertUrl": "https://sns.example/c.pem",
            "UnsubscribeUrl": "https://sns.example/?u", "MessageAttributes": {}
        }
    }]});
    let answer = invoked(&api, &notified).await;
    assert_eq!(answer[0]["outcome"], "started", "{answer}");
    let event = |kind: &str, detail: Value| {
        json!({
            "version": "0", "id": "1", "detail-type": kind, "source": "questline",
            "account": "111122223333", "time": "2026-11-23T02:10:00Z", "region": "eu-west-1",
            "resources": [], "detail": detail
        })
    };
    let answer = invoked(&api, &event("metrics ready", message(sunday()))).await;
    assert_eq!(answer[0]["outcome"], "stands", "{answer}");
    let answer = invoked(&api, &event("Scheduled Event", json!({}))).await;
    assert_eq!(answer[0]["state"], "running", "{answer}");
    // As terraform/aws/ml-trigger.tf has the schedule say it.
    let schedule = json!({"detail-type": "Scheduled Event", "source": "questline", "detail": {}});
    assert_eq!(invoked(&api, &schedule).await[0]["state"], "running");
    let other = invoked(&api, &event("something", json!({}))).await;
    assert!(other["errorMessage"].as_str().unwrap().contains("`something`"), "{other}");
    assert_eq!(google.known().jobs.len(), 1);
    for child in [&mut function, &mut emulator] {
        _ = child.kill();
        _ = child.wait();
    }
}
