//! Ingest as a function of its own: HTTP on `$PORT`, or AWS Lambda.

use std::{sync::Arc, time::Duration};

use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
use questline_ingest::{Ingest, app, config::Config};
use questline_runtime::{
    CancellationToken,
    clock::SystemClock,
    config::Listen,
    metrics::Metrics,
    release::release,
    serve::{self, ServeLimits, Signals},
    telemetry,
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _telemetry = telemetry::start(tracing::level_filters::LevelFilter::INFO);
    let mut signals = Signals::listen()?;
    let env = questline_environment::variables().await?;
    let log = questline_environment::log(&env).await?;
    let (metrics, clock) = (Arc::new(Metrics::default()), SystemClock::shared());
    let mut ingest = Ingest::new(Config::read(&env)?, log.clone(), metrics.clone(), clock);
    if serve::is_lambda() {
        ingest.page_per_request = true;
        return serve::lambda(app(Arc::new(ingest)), metrics).await;
    }
    let ingest = Arc::new(ingest);
    let Listen { host, port } = Listen::read(&env)?;
    let listener = TcpListener::bind((host, port)).await?;
    tracing::info!(address = %listener.local_addr()?, version = release(), "ingest.start");
    let book = {
        let ingest = ingest.clone();
        tokio::spawn(async move { ingest.keep_book().await })
    };
    let stop = CancellationToken::new();
    let limits =
        ServeLimits { head_timeout: HEAD_TIMEOUT, connections: CONNECTIONS, drain: SHUTDOWN / 2 };
    let serving = tokio::spawn(serve::http(listener, app(ingest.clone()), limits, stop.clone()));
    signals.asked().await;
    stop.cancel();
    serving.await?;
    ingest.end(Duration::from_secs(2)).await;
    book.await?;
    log.close().await;
    Ok(())
}
