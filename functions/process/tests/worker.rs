//! The function as a long-lived consumer: it tells that it lives, and ends in order when it is asked.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use questline_process::GROUP;
use questline_stores::Topic;
use questline_testing::{free_port, until};
use support::{Stage, event};

/// More than one batch of processing.
const APPENDS: usize = 30;
const EVENTS: usize = 2_000;

/// The real binary. It is killed when it is dropped.
struct Worker {
    process: Child,
    port: u16,
}

impl Worker {
    fn start(directory: &Path) -> Self {
        let port = free_port();
        let process = Command::new(env!("CARGO_BIN_EXE_questline-process"))
            .env_clear()
            .env("QUESTLINE_LOG", format!("sqlite:{}", directory.display()))
            .env("QUESTLINE_WAREHOUSE", format!("duckdb:{}", directory.display()))
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port }
    }

    /// An answer, its head included; none while nobody listens.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Asks it to end, and waits as long as a platform does.
    fn end(mut self) -> ExitStatus {
        let signal = ["-TERM".to_owned(), self.process.id().to_string()];
        assert!(Command::new("kill").args(signal).status().unwrap().success());
        until("it has ended", Duration::from_secs(30), || self.process.try_wait().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Gives log and warehouse to whoever is next.
async fn close(stage: Stage) {
    stage.warehouse.close().await;
    stage.log.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_end_it_finishes_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    for append in 0..APPENDS {
        stage.append("app", (0..EVENTS).map(|n| event(&format!("{append}-{n}")))).await;
    }
    close(stage).await;
    let worker = Worker::start(folder.path());
    until("a batch is done", Duration::from_secs(60), || {
        worker.get("/metrics").filter(|told| told.contains(r#"accepted"} "#))
    });
    let alive = worker.get("/healthz").unwrap_or_default();
    assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
    assert!(worker.end().success());

    let stage = Stage::open(folder.path());
    let enriched = stage.records(Topic::Enriched).await;
    let rows = "SELECT count(*) FROM events";
    assert_eq!(stage.rows(rows).await, format!("[[{enriched}]]"), "written is produced");
    let committed = stage.log.committed(GROUP).await.unwrap();
    assert_eq!(committed.iter().flatten().sum::<i64>(), enriched, "and committed");
    stage.process().await;
    let found = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM events_unique),
        (SELECT CAST(sum(events) AS BIGINT) FROM events_1min)";
    let all = APPENDS * EVENTS;
    assert_eq!(stage.rows(found).await, format!("[[{all},{all},{all}]]"));
}
