//! Ingest against a server that only reads, decompresses and checks the syntax.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use questline_runtime::clock::now_micros;
use tokio::sync::Semaphore;

use crate::{
    load::{BODY_EVENTS, bodies},
    report::{Series, cpu, line, memory},
};

const REQUESTS: usize = 8_000;
const CONNECTIONS: usize = 128;

/// A server, and where it is.
pub(crate) struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(what: &str, directory: &Path, brokers: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", what])
            .arg(directory)
            .args(["--brokers", brokers])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    /// CPU seconds that the server has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        cpu(self.child.id())
    }

    /// It has not ended.
    pub(crate) fn works(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// The most memory that was ever resident, in MB.
    pub(crate) fn memory(&self) -> anyhow::Result<f64> {
        memory(self.child.id(), "VmHWM")
    }
}

/// What ingest comes to beside its floor.
pub(crate) struct Compared {
    /// Its speed, where the floor's is 1.
    pub(crate) speed: f64,
    /// Within this time 99 of 100 receipts came.
    pub(crate) receipts: Duration,
}

pub(crate) fn run(rounds: usize) -> anyhow::Result<()> {
    compare(rounds, "ingest", "").map(|_| ())
}

/// The floor against ingest on a log: the embedded one, or a Kafka's; then how long receipts take
/// at half the load.
pub(crate) fn compare(rounds: usize, what: &str, brokers: &str) -> anyhow::Result<Compared> {
    let bodies: Arc<Vec<Vec<u8>>> = Arc::new(bodies(2, now_micros()).take(REQUESTS).collect());
    let size = bodies.iter().map(Vec::len).sum::<usize>() / REQUESTS;
    line(&format!(
        "{what}: {REQUESTS} bodies of {BODY_EVENTS} events, {size} bytes gzip, {rounds} rounds"
    ));
    let folder = tempfile::tempdir()?;
    let floor = Server::start("floor", folder.path(), "")?;
    let ours = Server::start(what, &folder.path().join("log"), brokers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut low, mut high, mut load) = (Series::default(), Series::default(), Series::default());
    for round in 0..=rounds {
        for (server, series) in [(&floor, &mut low), (&ours, &mut high)] {
            let (before, started) = (server.cpu()?, Instant::now());
            runtime.block_on(send(&server.url, &bodies))?;
            if server.url == ours.url {
                load.0.push(REQUESTS as f64 / started.elapsed().as_secs_f64());
            }
            // The first round warms up.
            if round > 0 {
                series.0.push(server.cpu()? - before);
            }
        }
    }
    let each = |series: &Series| series.median() * 1e6 / REQUESTS as f64;
    line(&format!(
        "  floor (read, libdeflate, syntax check) {:6.1} µs of CPU a request",
        each(&low)
    ));
    line(&format!("  ingest, key check and log append       {:6.1} µs", each(&high)));
    let speed = low.over(&high);
    line(&format!("  ingest / floor, in speed: {}", speed.show()));
    let half = load.median() / 2.0;
    let mut took = runtime.block_on(paced(&ours.url, &bodies, half))?;
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(Duration::MAX);
    let (median, most) = (at(50), at(99));
    line(&format!(
        "  receipts at half load, {:.0} events a second: {} ms in the median, {} ms in 99 of 100",
        half * BODY_EVENTS as f64,
        median.as_millis(),
        most.as_millis()
    ));
    Ok(Compared { speed: speed.median(), receipts: most })
}

/// Sends bodies at a rate, whether answered or not; gives the time until each one's receipt.
async fn paced(url: &str, bodies: &Arc<Vec<Vec<u8>>>, rate: f64) -> anyhow::Result<Vec<Duration>> {
    let client = reqwest::Client::new();
    let started = tokio::time::Instant::now();
    let mut tasks = Vec::new();
    for at in 0..bodies.len() {
        let due = started + Duration::from_secs_f64(at as f64 / rate);
        tokio::time::sleep_until(due).await;
        let request = request(&client, url, &bodies[at]);
        tasks.push(tokio::spawn(async move {
            request.send().await?.error_for_status()?.bytes().await?;
            Ok::<_, reqwest::Error>(due.elapsed())
        }));
    }
    let mut took = Vec::new();
    for task in tasks {
        took.push(task.await??);
    }
    Ok(took)
}

fn request(client: &reqwest::Client, url: &str, body: &[u8]) -> reqwest::RequestBuilder {
    client
        .post(format!("{url}/v1/events"))
        .header("x-api-key", "local")
        .header("content-encoding", "gzip")
        .body(body.to_vec())
}

async fn send(url: &str, bodies: &Arc<Vec<Vec<u8>>>) -> anyhow::Result<()> {
    let (client, places) = (reqwest::Client::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let mut tasks = Vec::new();
    for at in 0..bodies.len() {
        let place = places.clone().acquire_owned().await?;
        let request = request(&client, url, &bodies[at]);
        tasks.push(tokio::spawn(async move {
            let answered = request.send().await?.error_for_status().map(|_| ());
            drop(place);
            answered
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}
