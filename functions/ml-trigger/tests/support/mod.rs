//! The trigger under test: the real binary, with Google on loopback.
#![allow(dead_code, reason = "every test uses its own part of this")]

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use questline_events::Day;
use questline_runtime::clock::now_micros;
use questline_stores::training::{TrainingRun, TrainingRuns as _};
use questline_testing::{Google, free_port, until};
use questline_warehouse_duckdb::DuckdbWarehouse;
use serde_json::{Value, json};

/// The last Sunday before yesterday: only what is recent is followed.
pub(crate) fn sunday() -> Day {
    static SUNDAY: LazyLock<Day> = LazyLock::new(|| {
        let today = Day::of(now_micros());
        (2..9).map(|back| today.plus(-back)).find(|day| day.weekday() == 6).unwrap()
    });
    *SUNDAY
}

/// Google, with the features of so many days up to Sunday.
pub(crate) async fn google(days: i32) -> Google {
    let google = Google::start().await;
    for back in 0..days {
        let day = sunday().plus(-back);
        let manifest = json!({
            "day": day, "run": "run-1",
            "files": [{"path": "part-0.parquet", "rows": 15, "bytes": 900, "sha256": format!("{back:064x}")}],
            "rows": 15,
            "schema": [{"name": "app_id", "type": "Utf8"}],
            "query_version": "5f", "function_version": "0.1.0",
            "checks": {"level_metrics/pass_rate": "passed"}, "ledger_residue": 0.0
        });
        let name = format!("game-features/features/level_features/{day}/manifest.json");
        google.known().objects.insert(name, manifest.to_string().into());
    }
    google
}

/// What the daily run says of a day.
pub(crate) fn message(day: Day) -> Value {
    json!({
        "day": day, "checks_passed": true, "residue": 0.0, "run": "run-1",
        "manifest": format!("level_features/{day}/manifest.json")
    })
}

/// A running trigger. It is killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) url: String,
}

/// The variables that every trigger gets.
pub(crate) fn variables(folder: &Path, google: &Google) -> HashMap<&'static str, String> {
    std::fs::create_dir_all(folder).unwrap();
    let more = [
        ("QUESTLINE_VERTEX_ENDPOINT", google.url.clone()),
        ("QUESTLINE_WAREHOUSE", format!("duckdb:{}", folder.display())),
        ("QUESTLINE_FEATURES", "gs://game-features/features".to_owned()),
        ("QUESTLINE_TRAINING", "vertex:projects/game/locations/europe-west1".to_owned()),
        ("QUESTLINE_TRAINING_ACCOUNT", "training@game.iam.gserviceaccount.com".to_owned()),
        ("QUESTLINE_TRAINING_ROOT", "gs://game-training".to_owned()),
    ];
    google.variables(folder).into_iter().chain(more).collect()
}

/// Starts a process that writes what it says to a file.
pub(crate) fn spawn(mut command: Command, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

pub(crate) fn binary() -> Command {
    Command::new(PathBuf::from(env!("CARGO_BIN_EXE_questline-ml-trigger")))
}

impl Running {
    pub(crate) fn start(folder: &Path, google: &Google) -> Self {
        Self::start_with(folder, google, &[])
    }

    pub(crate) fn start_with(folder: &Path, google: &Google, more: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = binary();
        command.envs(variables(folder, google)).envs(more.iter().copied());
        command.env("PORT", port.to_string());
        let mut child = spawn(command, &folder.join("log"));
        until("the trigger listens", Duration::from_secs(30), || {
            let ended = child.try_wait().unwrap();
            let said = || std::fs::read_to_string(folder.join("log")).unwrap();
            assert!(ended.is_none(), "the trigger ended: {}", said());
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }

    async fn post(&self, path: &str, body: String) -> (u16, Value) {
        let answer = reqwest::Client::new().post(format!("{}{path}", self.url)).body(body).send();
        let answer = answer.await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// What Pub/Sub would push.
    pub(crate) async fn pushed(&self, data: &str) -> (u16, Value) {
        let data = BASE64_STANDARD.encode(data);
        let push = json!({
            "message": {"data": data, "messageId": "1", "publishTime": "2026-11-23T02:10:00Z"},
            "subscription": "projects/game/subscriptions/questline-ml-trigger"
        });
        self.post("/push", push.to_string()).await
    }

    /// A message that is dealt with, and what became of it.
    pub(crate) async fn ready(&self, message: &Value) -> Value {
        let (status, answer) = self.pushed(&message.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) async fn follow(&self) -> Value {
        let (status, answer) = self.post("/follow", String::new()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.url)).await.unwrap();
        answer.text().await.unwrap()
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn end(mut self) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        let ended =
            until("the trigger ends", Duration::from_secs(20), || self.child.try_wait().unwrap());
        assert!(ended.success(), "{ended}");
    }

    /// The book, which nobody else has open when this has ended.
    pub(crate) async fn book(self, folder: &Path) -> Vec<TrainingRun> {
        self.end();
        let book = DuckdbWarehouse::open(folder).unwrap();
        book.latest(Day::from_number(0)).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
