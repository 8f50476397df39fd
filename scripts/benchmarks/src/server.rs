//! A server in a process of its own, so that its CPU time is its own.

use std::{path::Path, sync::Arc};

use axum::{Router, body::Bytes, routing::post};
use clap::ValueEnum;
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, Limits};
use questline_ingest::{
    Ingest, app,
    config::Config,
    keys::{Entry, Keys},
};
use questline_log_kafka::{KafkaLog, Settings};
use questline_log_sqlite::SqliteLog;
use questline_process::{GROUP, Processor};
use questline_runtime::{
    CancellationToken,
    clock::SystemClock,
    config::Env,
    metrics::Metrics,
    serve::{ServeLimits, http},
};
use questline_stores::log::Log;
use questline_warehouse_duckdb::DuckdbWarehouse;
use serde::de::IgnoredAny;
use tokio::net::TcpListener;

use crate::report::line;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum What {
    /// Reads, decompresses with libdeflate, checks the syntax.
    Floor,
    /// Ingest on the embedded log.
    Ingest,
    /// Ingest on a Kafka.
    IngestKafka,
    /// Processing on a Kafka.
    Process,
}

pub(crate) fn run(what: What, directory: &Path, brokers: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        line(&format!("http://{}", listener.local_addr()?));
        let limits = ServeLimits {
            head_timeout: HEAD_TIMEOUT,
            connections: CONNECTIONS,
            drain: HEAD_TIMEOUT,
        };
        let app = match what {
            What::Floor => Router::new().route("/v1/events", post(floor)),
            What::Ingest => ingest(Arc::new(SqliteLog::open(directory)?))?,
            What::IngestKafka => ingest(Arc::new(KafkaLog::open(Settings::at(brokers)).await?))?,
            What::Process => return process(directory, brokers).await,
        };
        http(listener, app, limits, CancellationToken::new()).await;
        Ok(())
    })
}

async fn floor(body: Bytes) -> &'static str {
    let size = body.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size));
    let mut text = vec![0; size as usize];
    let done = libdeflater::Decompressor::new().gzip_decompress(&body, &mut text);
    let ends = memchr::memchr_iter(b'\n', &text).chain(std::iter::once(text.len()));
    let mut start = 0;
    let lines = ends.map(|end| &text[std::mem::replace(&mut start, end + 1)..end]);
    let lines = lines.filter(|line| !line.is_empty());
    let valid = lines.filter(|line| serde_json::from_slice::<IgnoredAny>(line).is_ok()).count();
    if done.is_ok() && valid > 0 { "{}" } else { "" }
}

/// Processes what is in the log, until it is killed.
async fn process(directory: &Path, brokers: &str) -> anyhow::Result<()> {
    let log = Arc::new(KafkaLog::open(Settings::at(brokers)).await?);
    std::fs::create_dir_all(directory)?;
    let warehouse = Arc::new(DuckdbWarehouse::open_to_write(directory)?);
    let config = questline_environment::Rulebook::read(&Env::of_process())?;
    let (metrics, stop) = (Arc::new(Metrics::default()), CancellationToken::new());
    let clock = SystemClock::shared();
    let processor = Processor::new(config, log.clone(), warehouse, metrics, clock, stop);
    processor.run(log.join(GROUP)?).await
}

fn ingest(log: Arc<dyn Log>) -> anyhow::Result<Router> {
    let fast = u32::MAX / 2;
    let entry = Entry {
        events_per_second: fast,
        address_events_per_second: fast,
        ..Entry::of("local", "local")
    };
    let keys = Keys::of(vec![entry], Limits::default().request_events)?;
    let config = Config { keys, ..Config::read(&Env::of([("QUESTLINE_KEYS", "[]")]))? };
    let metrics = Arc::new(Metrics::default());
    Ok(app(Arc::new(Ingest::new(config, log, metrics, SystemClock::shared()))))
}
