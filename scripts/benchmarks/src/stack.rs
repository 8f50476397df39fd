//! The whole stack, the load generator included.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use questline_client::{Operator, Place};
use questline_runtime::clock::now_micros;
use tokio::sync::Semaphore;

use crate::{
    load::{BODY_EVENTS, bodies},
    report::{line, memory},
};

/// Threads that play, compress and send, and the requests that each has under way.
const GENERATORS: usize = 2;
const UNDER_WAY: usize = 8;

pub(crate) struct Stack {
    child: Child,
    pub(crate) place: Place,
    pub(crate) url: String,
    log: PathBuf,
}

impl Drop for Stack {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Stack {
    /// Starts the stack; also says how long it took until it was ready.
    pub(crate) fn start(directory: &Path) -> anyhow::Result<(Self, Duration)> {
        let place = Place::new(directory);
        place.withdraw();
        let binary = std::env::current_exe()?.with_file_name("questline-stack");
        let log = directory.with_extension("log");
        let started = Instant::now();
        let child = Command::new(binary)
            .args(["--no-players", "--port", "0", "--data-dir"])
            .arg(directory)
            .env("RUST_LOG", "info")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .context("questline-stack: start scripts/bench")?;
        let mut stack = Self { child, place, url: String::new(), log };
        loop {
            anyhow::ensure!(stack.child.try_wait()?.is_none(), "the stack ended");
            if let Some(url) = stack.place.url()
                && ready(&url)
            {
                stack.url = url;
                return Ok((stack, started.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Its number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in MB.
    fn resident(&self) -> f64 {
        memory(self.child.id(), "VmRSS").unwrap_or(0.0)
    }

    async fn number(&self, sql: &str) -> anyhow::Result<u64> {
        let operator = Operator::of(&self.place)?.context("no stack runs")?;
        loop {
            match operator.query(sql).await {
                Ok(answer) => {
                    let number = answer.rows.first().and_then(|row| row.first()?.as_u64());
                    return number.context("a number");
                }
                Err(questline_client::ClientError::Refused { status: 503, .. }) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The window's size after the start, and the milliseconds that it took to rebuild it.
    fn window(&self) -> anyhow::Result<(f64, f64)> {
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(60) {
            if let Some(identities) = self.logged("process.assigned", "identities") {
                let took = self.logged("process.assigned", "duration_ms");
                return Ok((identities, took.context("the window's time")?));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("the window was not rebuilt within a minute")
    }

    /// A field of the last log line that has a message.
    fn logged(&self, message: &str, field: &str) -> Option<f64> {
        let log = std::fs::read_to_string(&self.log).ok()?;
        let mut lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
        let line = lines.rfind(|line: &serde_json::Value| line["message"] == message)?;
        line[field].as_f64().or_else(|| line[field].as_str()?.parse().ok())
    }
}

fn ready(url: &str) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut socket = TcpStream::connect(url.trim_start_matches("http://"))?;
        socket
            .write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

pub(crate) fn run(events: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let directory = folder.path().join("data");
    let (stack, empty) = Stack::start(&directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(sustained(&stack, events))?;
    line(&format!("  start to ready, empty directory:             {:4} ms", empty.as_millis()));
    drop(stack);
    let (stack, full) = Stack::start(&directory)?;
    line(&format!("  start to ready, the same directory, kill -9: {:4} ms", full.as_millis()));
    let accepted = runtime.block_on(stack.number("SELECT count(*) FROM events"))?;
    let (identities, took) = stack.window()?;
    line(&format!(
        "  window rebuilt: {identities} identities of {accepted} accepted in {took} ms = {:.1} million a second",
        identities / took.max(1.0) / 1e3
    ));
    Ok(())
}

/// Sends events as fast as they are taken, until the last one is a row.
async fn sustained(stack: &Stack, events: usize) -> anyhow::Result<()> {
    line(&format!(
        "stack: {events} events in gzip bodies of {BODY_EVENTS}, load generator included"
    ));
    let bar = ProgressBar::new(events as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec}")?);
    let sent = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let generators = generators(stack, events, 0, &sent);
    let mut resident = Vec::new();
    while generators.iter().any(|generator| !generator.is_finished()) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        bar.set_position(sent.load(Ordering::Relaxed) as u64);
        resident.push(stack.resident());
    }
    for generator in generators {
        generator.join().map_err(|_| anyhow::anyhow!("a generator panicked"))??;
    }
    let acknowledged = started.elapsed();
    let total = sent.load(Ordering::Relaxed) as u64;
    settle(stack).await?;
    let visible = started.elapsed();
    resident.push(stack.resident());
    bar.finish_and_clear();
    let counted = "SELECT CAST(sum(read) AS BIGINT) FROM ledger_minutes";
    anyhow::ensure!(stack.number(counted).await? == total, "records were lost");
    let rows = "SELECT CAST((SELECT count(*) FROM events) + (SELECT count(*) FROM events_dlq)
        + (SELECT sum(duplicate) FROM ledger_minutes) AS BIGINT)";
    anyhow::ensure!(stack.number(rows).await? == total, "rows were lost");
    let rate = |took: Duration| total as f64 / took.as_secs_f64();
    line(&format!("  acknowledged: {:8.0} events a second", rate(acknowledged)));
    line(&format!(
        "  visible rows: {:8.0} events a second, sustained, nothing lost",
        rate(visible)
    ));
    let half = resident.len() / 2;
    let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    line(&format!(
        "  resident memory: {:.0} MB at most in the first half, {:.0} MB in the second",
        most(&resident[..half]),
        most(&resident[half..])
    ));
    Ok(())
}

/// Sends events as fast as they are taken; how many a second were rows when the last one was. Another
/// turn has other players.
pub(crate) async fn load(stack: &Stack, events: usize, turn: usize) -> anyhow::Result<f64> {
    let sent = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let generators = generators(stack, events, turn, &sent);
    while generators.iter().any(|generator| !generator.is_finished()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for generator in generators {
        generator.join().map_err(|_| anyhow::anyhow!("a generator panicked"))??;
    }
    settle(stack).await?;
    Ok(sent.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}

type Generator = std::thread::JoinHandle<anyhow::Result<()>>;

fn generators(
    stack: &Stack,
    events: usize,
    turn: usize,
    sent: &Arc<AtomicUsize>,
) -> Vec<Generator> {
    let now = now_micros();
    (0..GENERATORS)
        .map(|generator| {
            let (url, sent) = (stack.url.clone(), sent.clone());
            let seed = 100 + turn * GENERATORS + generator;
            std::thread::spawn(move || generate(&url, seed, events / GENERATORS, now, &sent))
        })
        .collect()
}

async fn settle(stack: &Stack) -> anyhow::Result<()> {
    let operator = Operator::of(&stack.place)?.context("no stack runs")?;
    anyhow::ensure!(operator.settle(Duration::from_secs(600)).await?, "not processed in time");
    Ok(())
}

fn generate(
    url: &str,
    seed: usize,
    events: usize,
    now: i64,
    sent: &Arc<AtomicUsize>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let places = Arc::new(Semaphore::new(UNDER_WAY));
        let mut tasks = tokio::task::JoinSet::new();
        for body in bodies(seed as u64, now).take(events / BODY_EVENTS) {
            let place = places.clone().acquire_owned().await?;
            let request = client
                .post(format!("{url}/v1/events"))
                .header("x-api-key", "local")
                .header("content-encoding", "gzip")
                .body(body);
            let sent = sent.clone();
            tasks.spawn(async move {
                let receipt: serde_json::Value =
                    request.send().await?.error_for_status()?.json().await?;
                sent.fetch_add(stored(&receipt), Ordering::Relaxed);
                drop(place);
                Ok::<_, reqwest::Error>(())
            });
            while let Some(done) = tasks.try_join_next() {
                done??;
            }
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    })
}

fn stored(receipt: &serde_json::Value) -> usize {
    receipt["stored"].as_u64().and_then(|stored| usize::try_from(stored).ok()).unwrap_or(0)
}
