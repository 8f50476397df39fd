//! Processing as a function of its own: a long-lived consumer with a health endpoint.

use std::sync::Arc;

use axum::{Router, routing::get};
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
use questline_log_sqlite::SqliteLog;
use questline_process::{
    GROUP, Processor,
    config::{Config, directory},
};
use questline_runtime::{
    CancellationToken,
    config::{Env, Listen},
    metrics::Metrics,
    serve::{self, ServeLimits, Signals},
    telemetry,
};
use questline_warehouse_duckdb::DuckdbWarehouse;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::start(tracing::level_filters::LevelFilter::INFO);
    let mut signals = Signals::listen()?;
    let env = Env::of_process();
    let log = SqliteLog::open(&directory(&env, "QUESTLINE_LOG", "sqlite")?)?;
    let warehouse = DuckdbWarehouse::open(&directory(&env, "QUESTLINE_WAREHOUSE", "duckdb")?)?;
    let (config, metrics) = (Config::read(&env)?, Arc::new(Metrics::default()));
    let Listen { host, port } = Listen::read(&env)?;
    let listener = TcpListener::bind((host, port)).await?;
    let stop = CancellationToken::new();
    let shown = metrics.clone();
    let app = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/metrics", get(|| async move { shown.text() }));
    let limits =
        ServeLimits { head_timeout: HEAD_TIMEOUT, connections: CONNECTIONS, drain: SHUTDOWN / 4 };
    let serving = tokio::spawn(serve::http(listener, app, limits, stop.clone()));
    let consumer = log.consumer(GROUP)?;
    let (reader, rows) = (Arc::new(log.clone()), Arc::new(warehouse.clone()));
    let processor = Processor::new(config, reader, rows, metrics, stop.clone());
    let working = tokio::spawn(processor.run(consumer));
    signals.asked().await;
    stop.cancel();
    working.await??;
    serving.await?;
    warehouse.close().await;
    log.close().await;
    Ok(())
}
