//! Every runbook in the state that it is for: the stack is brought there by real means, the commands
//! are run as they stand, and have to show it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

mod support;

use std::{
    collections::VecDeque,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use questline_client::Ingest;
use questline_events::Day;
use questline_testing::{Google, Kafka, until};
use serde_json::json;
use support::{Stack, binary, event, now_micros, past::Past, receipt};

/// The commands of a runbook that are for the local stack, one after the other. Those that nobody ran
/// in the end fail the test.
struct Runbook {
    name: &'static str,
    left: VecDeque<String>,
    folder: PathBuf,
    /// What stands for something of the reader's own.
    own: Vec<(&'static str, String)>,
}

impl Runbook {
    /// Opens it beside a data directory, where `./scripts/questline` is the command.
    fn open(name: &'static str, data: &Path, own: &[(&'static str, String)]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = fs::read_to_string(root.join(format!("terraform/runbooks/{name}.md"))).unwrap();
        let folder = data.parent().unwrap().to_owned();
        fs::create_dir_all(folder.join("scripts")).unwrap();
        let script = folder.join("scripts/questline");
        let (command, data) = (binary("questline"), data.display());
        let text_of = format!("#!/bin/sh\nexec {} --data-dir {data} \"$@\"\n", command.display());
        fs::write(&script, text_of).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { name, left: commands(&text), folder, own: own.to_vec() }
    }

    /// Runs the next command, and gives what it said; it has to end as it is expected to.
    fn run(&mut self, part: &str, succeeds: bool) -> String {
        let Some(mut command) = self.left.pop_front() else { panic!("{}: no more", self.name) };
        assert!(command.contains(part), "{}: `{command}`", self.name);
        for (theirs, own) in &self.own {
            command = command.replace(theirs, own);
        }
        let ran = Command::new("sh").args(["-c", &command]).current_dir(&self.folder).output();
        let ran = ran.unwrap();
        let said = [ran.stdout, ran.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        assert_eq!(ran.status.success(), succeeds, "{}: `{command}` said {said}", self.name);
        said
    }

    /// Runs the next command; what it says has to hold these words.
    fn shows(&mut self, part: &str, words: &[&str]) {
        let said = self.run(part, true);
        for word in words {
            assert!(said.contains(word), "{}: no `{word}` in {said}", self.name);
        }
    }
}

impl Drop for Runbook {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.left.is_empty(), "{}: nobody tried {:?}", self.name, self.left);
        }
    }
}

/// What stands in blocks marked `sh`. A command goes on over lines until its quotes are closed.
fn commands(markdown: &str) -> VecDeque<String> {
    let (mut found, mut inside, mut open) = (VecDeque::new(), false, String::new());
    for line in markdown.lines().map(str::trim) {
        match line.strip_prefix("```") {
            Some(kind) => inside = kind == "sh",
            None if inside => {
                open.push_str(line);
                open.push('\n');
                if open.matches('"').count() % 2 == 0 {
                    found.push_back(std::mem::take(&mut open).trim().to_owned());
                }
            }
            None => {}
        }
    }
    assert!(!found.is_empty() && open.is_empty());
    found
}

async fn send(stack: &Stack, events: impl IntoIterator<Item = String>) {
    let events: Vec<_> = events.into_iter().collect();
    for some in events.chunks(500) {
        let reply = stack.ingest().post(some.join("\n").as_bytes(), None).await.unwrap();
        assert_eq!(receipt(reply).stored, some.len());
    }
    stack.settle().await;
}

async fn metric(stack: &Stack, line: &str) -> bool {
    let text = reqwest::get(format!("{}/metrics", stack.url)).await.unwrap().text().await.unwrap();
    text.lines().any(|shown| shown == line)
}

/// A completion of a day, at noon; `moves` as its JSON has it.
fn completion(id: &str, day: Day, moves: &str) -> String {
    format!(
        r#"{{"id":"{id}","user_id":"u","timestamp":"{day}T12:00:00Z","type":1002,
            "parameters":{{"level_id":"7",{moves}"time_seconds":9}}}}"#
    )
    .replace('\n', "")
}

/// A release condemns good events; the brake is pulled; mended, they come back.
#[tokio::test]
async fn letters() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let shipped = include_str!("../shared/events/registry.json");
    let faulty = shipped.replace(r#""required": ["level_id"]"#, r#""required": ["level"]"#);
    let registry = folder.path().join("registry.json");
    fs::write(&registry, faulty).unwrap();
    let mut command = Command::new(binary("questline-stack"));
    command.args(["--no-players", "--port", "0", "--data-dir"]).arg(&data);
    let stack = Stack::spawn(
        {
            command.env("QUESTLINE_REGISTRY", registry);
            command
        },
        &data,
    );
    send(&stack, (0..1_500).map(|n| event(&format!("bad-{n}")))).await;
    send(&stack, (0..40).map(|n| event(&format!("held-{n}")))).await;
    assert!(metric(&stack, r#"questline_process_brake{app="local"} 1"#).await, "BrakePulled fires");

    let mut ratio = Runbook::open("DeadLetterRatioHigh", &data, &[]);
    ratio.shows("app_id, reason, detail", &["local", "invalid_parameters", "level"]);
    ratio.shows("function_version", &["0.1.0+", "1540"]);
    ratio.shows("lookup_versions", &["registry", "devices"]);
    ratio.shows("decode(raw)", &["held-", "1001"]);
    let mut brake = Runbook::open("BrakePulled", &data, &[]);
    brake.shows("WHERE held GROUP BY", &["local", "invalid_parameters", "0.1.0+"]);
    brake.shows("decode(raw)", &["held-"]);

    // The release before.
    assert!(stack.terminate().success());
    let stack = Stack::start(&data);
    let held = stack.number("SELECT count(*) FROM events_dlq WHERE held").await;
    brake.shows("--held --dry-run", &[&format!("{held} letters would pass now")]);
    brake.shows("--held", &[&format!("{held} letters were brought back")]);
    let left = 1_540 - held;
    stack.settle().await;
    ratio.shows("--dry-run", &[&format!("{left} letters would pass now")]);
    ratio.shows("reprocess", &[&format!("{left} letters were brought back")]);
    stack.settle().await;
    assert_eq!(stack.number("SELECT count(*) FROM events").await, 1_540);
}

/// The broker stands still, then the processor is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut kafka = Kafka::start(&folder.path().join("kafka"));
    let brokers = kafka.brokers();
    let on_kafka = ["--no-players", "--brokers", &brokers];
    let stack = Stack::start_with(&data, &on_kafka);
    // A broker that has just started is slow at first.
    stack.settle().await;
    send(&stack, (0..20).map(|n| event(&format!("before-{n}")))).await;

    kafka.signal("STOP");
    let reply = receipt(stack.ingest().post(event("late").as_bytes(), None).await.unwrap());
    assert_eq!(reply.deferred, 1, "ReceiptsDeferred fires");
    let port = stack.url.rsplit(':').next().unwrap().to_owned();
    let mut unreachable = Runbook::open("IngestUnreachable", &data, &[("8080", port)]);
    unreachable.shows("version", &["200"]);
    unreachable.shows("ready", &["503", "not_ready"]);
    kafka.signal("CONT");
    stack.settle().await;
    let mut deferred = Runbook::open("ReceiptsDeferred", &data, &[("HOST:PORT", brokers.clone())]);
    deferred.shows("SUM(deferred)", &["deferred", "late", "unknown"]);
    let told = "SELECT CAST(SUM(deferred) AS BIGINT) FROM ledger_minutes";
    assert_eq!(stack.number(told).await, 1);
    deferred.shows("topics --check", &["game-events-raw"]);
    deferred.shows("ledger --wait", &["Nothing is missing"]);

    // Whoever processes is killed; whoever stores lives.
    stack.kill();
    let (ingest, url) = ingest_alone(&data, &brokers);
    let sent = Ingest::new(&url, "secret").unwrap();
    let events: Vec<_> = (0..200).map(|n| event(&format!("waits-{n}"))).collect();
    // Its connection is new: what is deferred by it at first comes again, by the same ids.
    let body = events.join("\n");
    let mut tries = 0..20;
    while receipt(sent.post(body.as_bytes(), None).await.unwrap()).stored < 200 {
        assert!(tries.next().is_some(), "ingest stores nothing");
    }
    let mut lag = Runbook::open("ConsumerLagHigh", &data, &[]);
    lag.shows("ledger", &["process", "warehouse"]);
    lag.shows("closed_through", &["closed_through"]);
    lag.shows("FROM ledger_minutes", &["stored", "read", "20"]);
    let mut failing = Runbook::open("ProcessorFailing", &data, &[("HOST:PORT", brokers.clone())]);
    failing.shows("last_written", &["20"]);
    failing.shows("lookup_versions", &["registry"]);
    failing.shows("topics --check", &["game-events-raw"]);
    let stack = Stack::start_with(&data, &on_kafka);
    failing.shows("ledger --wait", &["missing"]);
    assert_eq!(stack.number("SELECT count(*) FROM events").await, 221);
    drop(ingest);
    drop(stack);
    kafka.kill();
}

/// Ingest as a function of its own, on the stack's log.
fn ingest_alone(data: &Path, brokers: &str) -> (Killed, String) {
    let port = questline_testing::free_port();
    // SHA-256 of `secret`.
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let child = Command::new(binary("questline-ingest"))
        .env("QUESTLINE_LOG", format!("kafka:{brokers}"))
        .env("QUESTLINE_KEYS", format!(r#"[{{"sha256":"{hash}","app":"local"}}]"#))
        .env("PORT", port.to_string())
        .current_dir(data.parent().unwrap())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("ingest listens", Duration::from_secs(20), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (Killed(child), format!("http://127.0.0.1:{port}"))
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Nobody plays.
#[tokio::test]
async fn silence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let stack = Stack::start(&data);
    assert!(!metric(&stack, r#"questline_ingest_events_total{outcome="stored"} 1"#).await);
    let mut silence = Runbook::open("NoEvents", &data, &[]);
    silence.shows("send -", &["1 received, 1 stored"]);
    stack.settle().await;
    silence.shows("refused_bodies", &["received", "stored", "deferred"]);
    assert!(metric(&stack, r#"questline_ingest_events_total{outcome="stored"} 1"#).await);
}

/// Somebody deletes a row by hand.
#[tokio::test]
async fn residue() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let day = Day::of(now_micros()).plus(-1);
    let past = Past::of(&data);
    let kept = (0..5).map(|n| completion(&format!("kept-{n}"), day, ""));
    past.append(day.start() / 1_000 + 12 * 3_600_000, kept).await;
    past.close().await;
    let stack = Stack::start(&data);
    stack.settle().await;
    assert!(stack.terminate().success());
    let python = PathBuf::from(std::env::var_os("QUESTLINE_PYTHON").unwrap()).join("python");
    let delete = "import duckdb, sys; duckdb.connect(sys.argv[1]).sql(\"DELETE FROM events WHERE event_id = 'kept-3'\")";
    let warehouse = data.join("warehouse.duckdb");
    assert!(Command::new(python).args(["-c", delete]).arg(warehouse).status().unwrap().success());
    let stack = Stack::start(&data);
    let start = Instant::now();
    while !metric(&stack, r#"questline_ledger_residue{hop="warehouse"} 1"#).await {
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(240), "{}", stack.rows("FROM ledger_residue").await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let own = [("2025-01-31", day.to_string())];
    let mut lost = Runbook::open("LedgerResidue", &data, &own);
    let said = lost.run("ledger", false);
    assert!(said.contains("Something is missing"), "{said}");
    lost.shows("FROM ledger_residue", &["warehouse", "local", "proved"]);
    lost.shows("WHERE lost <> 0", &["lost"]);
    lost.shows("replay", &["5 accepted", "4 rows were replaced by 5", &day.to_string()]);
    assert_eq!(stack.rows("SELECT hop FROM ledger_residue WHERE residue <> 0").await, "[]");
}

/// The trigger is told that a day is ready, and finds none of the features that it needs.
async fn not_trained(data: &Path, day: Day) {
    const WEEK: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let google = Google::start().await;
    let port = questline_testing::free_port();
    let child = Command::new(binary("questline-ml-trigger"))
        .envs(google.variables(data.parent().unwrap()))
        .env("QUESTLINE_VERTEX_ENDPOINT", &google.url)
        .env("QUESTLINE_WAREHOUSE", format!("duckdb:{}", data.display()))
        .env("QUESTLINE_FEATURES", "gs://game-features/features")
        .env("QUESTLINE_TRAINING", "vertex:projects/game/locations/europe-west1")
        .env("QUESTLINE_TRAINING_ACCOUNT", "training@game.iam.gserviceaccount.com")
        .env("QUESTLINE_TRAINING_ROOT", "gs://game-training")
        // Whatever day the test is run on: it is a Sunday to the trigger.
        .env("QUESTLINE_TRAINING_WEEKDAY", WEEK[usize::try_from(day.weekday()).unwrap()])
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _trigger = Killed(child);
    until("the trigger listens", Duration::from_secs(30), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let manifest = format!("level_features/{day}/manifest.json");
    let ready = json!({
        "day": day, "checks_passed": true, "residue": 0.0, "run": "run-1", "manifest": manifest
    });
    let data = BASE64_STANDARD.encode(ready.to_string());
    let message = json!({"data": data, "messageId": "1", "publishTime": "2026-11-23T02:10:00Z"});
    let push = json!({"message": message, "subscription": "projects/game/subscriptions/s"});
    let url = format!("http://127.0.0.1:{port}/push");
    let answer = reqwest::Client::new().post(url).body(push.to_string()).send().await.unwrap();
    let answer = answer.text().await.unwrap();
    assert!(answer.contains("not_met"), "{answer}");
}

/// A day fails its checks, is mended, goes stale, and no job is trained on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let stack = Stack::start(&data);
    let day = Day::of(now_micros()).plus(-1);
    // In one of ten the client forgot what it sends with all others.
    let moves = |n: u32| if n.is_multiple_of(10) { "" } else { r#""moves_used":9,"# };
    send(&stack, (0..100).map(|n| completion(&format!("c-{n}"), day, moves(n)))).await;
    let own = ["2025-01-31", "2025-01-28", "2025-01-26"].map(|theirs| (theirs, day.to_string()));
    let mut failed = Runbook::open("DailyRunFailed", &data, &own);
    let closing = "SELECT count(*) FROM pipeline_runs WHERE state = 'skipped'";
    let start = Instant::now();
    while stack.number(closing).await < 1 {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{}",
            stack.rows("FROM pipeline_runs").await
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    failed.shows("FROM pipeline_runs", &["skipped", "completion_nulls"]);
    failed.shows("ledger", &["residue"]);
    failed.shows("state = 'open'", &["open"]);
    send(&stack, (0..2_000).map(|n| completion(&format!("m-{n}"), day, moves(1)))).await;
    failed.shows("daily --date", &[&format!("{day} done")]);

    send(&stack, [completion("late", day, moves(1))]).await;
    let mut stale = Runbook::open("StaleDays", &data, &own);
    stale.shows("FROM stale_days", &[&day.to_string()]);
    stale.shows("FROM touched_days", &[&day.to_string()]);
    stale.shows("FROM pipeline_runs", &["day_rows"]);
    stale.shows("--through", &[&format!("{day} done")]);
    assert_eq!(stack.rows("SELECT event_date FROM stale_days").await, "[]");

    assert!(stack.terminate().success());
    not_trained(&data, day).await;
    let stack = Stack::start(&data);
    stack.settle().await;
    let mut training = Runbook::open("TrainingNotRun", &data, &own);
    let why = "features of 0 days are there, and 24 are needed";
    training.shows("FROM training_runs", &[&day.to_string(), "not_met", why]);
    training.shows("FROM pipeline_runs", &["done"]);
    training.shows("daily --date", &[&format!("{day} done")]);
    assert!(stack.terminate().success());
}
