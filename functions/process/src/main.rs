//! Processing as a function of its own: a long-lived consumer with a health endpoint.

use std::{path::Path, sync::Arc};

use axum::{Router, routing::get};
use questline_environment::Rulebook;
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
use questline_process::{GROUP, Processor};
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
    let log = questline_environment::log(&env).await?;
    let meaning = "where the warehouse lies: duckdb:DIRECTORY";
    let (_, directory) = env.location("QUESTLINE_WAREHOUSE", meaning, &["duckdb"])?;
    let warehouse = DuckdbWarehouse::open(Path::new(directory))?;
    let (rulebook, metrics) = (Rulebook::read(&env)?, Arc::new(Metrics::default()));
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
    let consumer = log.join(GROUP)?;
    let rows = Arc::new(warehouse.clone());
    let processor = Processor::new(rulebook, log.clone(), rows, metrics, stop.clone());
    let mut working = tokio::spawn(processor.run(consumer));
    let ended = tokio::select! {
        () = signals.asked() => None,
        // It only ends by itself where it can never work.
        ended = &mut working => Some(ended),
    };
    stop.cancel();
    match ended {
        Some(ended) => ended??,
        None => working.await??,
    }
    serving.await?;
    warehouse.close().await;
    log.close().await;
    Ok(())
}
