//! A local stack under test: the real binary, on a directory and a port of its own.
#![allow(dead_code, reason = "every test uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

pub(crate) mod browser;
pub(crate) mod collector;
pub(crate) mod load;
pub(crate) mod past;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use questline_client::{Answer, Ingest, Operator, Place, Receipt, Reply};
use questline_testing::until;
use serde_json::Value;

/// A binary of the workspace, beside the test's own.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(path.exists(), "{} is not built: run scripts/test", path.display());
    path
}

/// A running stack. It is killed when it is dropped.
pub(crate) struct Stack {
    child: Child,
    pub(crate) url: String,
    pub(crate) place: Place,
}

impl Stack {
    /// Starts a stack without players on a directory, and waits until it is ready.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, &["--no-players"])
    }

    pub(crate) fn start_with(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary("questline-stack"));
        command.arg("--data-dir").arg(directory).args(arguments);
        if !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        Self::spawn(command, directory)
    }

    /// Starts a stack by a command of one's own.
    pub(crate) fn spawn(mut command: Command, directory: &Path) -> Self {
        let place = Place::new(directory);
        place.withdraw();
        let log = directory.with_extension("log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, url: String::new(), place }.listening(directory)
    }

    /// Starts a stack in name spaces of its own: what it writes is seen through its root.
    pub(crate) fn spawn_inside(mut command: Command, directory: &Path) -> Self {
        let log = directory.with_extension("log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let out = log.try_clone().unwrap();
        let child = command.stdout(out).stderr(log).spawn().unwrap();
        let root = PathBuf::from(format!("/proc/{}/root", child.id()));
        let place = Place::new(root.join(directory.strip_prefix("/").unwrap()));
        Self { child, url: String::new(), place }.listening(directory)
    }

    /// Waits until it listens.
    fn listening(mut self, directory: &Path) -> Self {
        self.url = until("the stack listens", Duration::from_secs(180), || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the stack ended: {}", said(directory));
            self.place.url()
        });
        self
    }

    /// Runs a command in the stack's name spaces.
    pub(crate) fn inside(&self, command: &str) -> bool {
        let target = self.child.id().to_string();
        let enter = ["--target", &target, "--user", "--mount", "--preserve-credentials"];
        let status = Command::new("nsenter").args(enter).args(["sh", "-c", command]).status();
        status.unwrap().success()
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let (signal, process) = (format!("-{name}"), self.child.id().to_string());
        assert!(Command::new("kill").args([signal, process]).status().unwrap().success());
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.signal("TERM");
        self.ended(Duration::from_secs(90))
    }

    /// How it ended.
    pub(crate) fn ended(mut self, patience: Duration) -> ExitStatus {
        until("the stack ends", patience, || self.child.try_wait().unwrap())
    }

    pub(crate) fn ingest(&self) -> Ingest {
        Ingest::new(&self.url, "local").unwrap()
    }

    pub(crate) fn operator(&self) -> Operator {
        Operator::of(&self.place).unwrap().unwrap()
    }

    /// Waits until all that is in the log is processed.
    pub(crate) async fn settle(&self) {
        // A transaction that a dead broker left behind may take a minute of it.
        let settled = self.operator().settle(Duration::from_secs(150)).await.unwrap();
        assert!(settled, "not processed in time: {}", said(self.place.directory()));
    }

    /// The rows of a query as JSON text.
    pub(crate) async fn rows(&self, sql: &str) -> String {
        let mut tries = 0;
        loop {
            match self.operator().query(sql).await {
                Ok(Answer { rows, .. }) => return serde_json::to_string(&rows).unwrap(),
                // The warehouse is still being opened.
                Err(questline_client::ClientError::Refused { status: 503, .. }) if tries < 500 => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{sql}: {error}"),
            }
        }
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let rows: Vec<Vec<Value>> = serde_json::from_str(&self.rows(sql).await).unwrap();
        rows[0][0].as_i64().unwrap_or_else(|| rows[0][0].as_f64().map_or(0, |n| n as i64))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What a stack printed.
pub(crate) fn said(directory: &Path) -> String {
    std::fs::read_to_string(directory.with_extension("log")).unwrap_or_default()
}

/// How many tries something took until it was done in the time that is promised: where others have the
/// machine, one of `most` is. Each is given its number, from 0.
pub(crate) async fn in_time(
    promised: Duration,
    most: usize,
    mut what: impl AsyncFnMut(usize) -> Duration,
) -> usize {
    let mut took = Vec::new();
    while took.len() < most && took.last().is_none_or(|last| *last >= promised) {
        took.push(what(took.len()).await);
    }
    assert!(took.last() < Some(&promised), "promised within {promised:?}, it took {took:?}");
    took.len()
}

/// An event of now, with an id.
pub(crate) fn event(id: &str) -> String {
    let now = questline_events::time::text(now_micros());
    format!(
        r#"{{"id":"{id}","user_id":"u-{}","timestamp":"{now}","type":1001,"parameters":{{"level_id":"7"}}}}"#,
        id.len() % 7
    )
}

pub(crate) fn now_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

/// A reply that is a receipt.
pub(crate) fn receipt(reply: Reply) -> Receipt {
    match reply {
        Reply::Receipt(receipt, _) => receipt,
        Reply::Refused { status, detail, .. } => panic!("refused: {status} {detail}"),
    }
}

/// The shipped registry with a schema that no level fits: the release at fault.
pub(crate) fn faulty_registry(folder: &Path) -> String {
    let shipped = include_str!("../../shared/events/registry.json");
    let faulty = shipped.replace(r#""required": ["level_id"]"#, r#""required": ["level"]"#);
    assert_ne!(shipped, faulty);
    let path = folder.join("registry.json");
    std::fs::write(&path, faulty).unwrap();
    path.to_str().unwrap().to_owned()
}
