//! Processing as a function of its own: a long-lived consumer with a health endpoint, AWS Lambda with
//! a Kafka event source, or records pushed over HTTP; and a replay as a job.

use std::sync::Arc;

use axum::routing::get;
use questline_environment::Rulebook;
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
use questline_process::{Delivered, GROUP, Processor, lag, platform, replay, residue};
use questline_runtime::{
    CancellationToken,
    clock::SystemClock,
    config::Listen,
    metrics::Metrics,
    release,
    serve::{self, ServeLimits, Signals},
    telemetry,
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _telemetry = telemetry::start(tracing::level_filters::LevelFilter::INFO);
    let (mut signals, env) = (Signals::listen()?, questline_environment::variables().await?);
    let (log, past) = questline_environment::log_and_past(&env).await?;
    let warehouse = questline_environment::warehouse_to_write(&env).await?;
    let (rulebook, metrics) = (Rulebook::read(&env)?, Arc::new(Metrics::default()));
    if let Some(request) = env.get("QUESTLINE_REPLAY") {
        let (replace, clock) = (warehouse.replace(&env).await?, SystemClock::shared());
        let replay = replay::Replay::new(rulebook, log.clone(), past, replace, clock);
        let ended = replay::job(&replay, request, signals.asked()).await;
        tokio::join!(warehouse.close(), log.close());
        return ended;
    }
    let rows = warehouse.rows(&env).await?;
    let group = env.get("QUESTLINE_GROUP").unwrap_or(GROUP);
    let delivered = |rulebook| {
        let (log, rows, metrics) = (log.clone(), rows.clone(), metrics.clone());
        let (ask, clock) = (warehouse.ask(), SystemClock::shared());
        Arc::new(Delivered::new(rulebook, log, rows, ask, metrics, clock, group))
    };
    if serve::is_lambda() {
        let delivered = delivered(rulebook);
        let invoked = move |event, left| platform::invoked(delivered.clone(), event, left);
        return serve::lambda_events(metrics, invoked).await;
    }
    let Listen { host, port } = Listen::read(&env)?;
    let listener = TcpListener::bind((host, port)).await?;
    let (stop, shown, clock) = (CancellationToken::new(), metrics.clone(), SystemClock::shared());
    let mut app = release::routes().route("/metrics", get(|| async move { shown.text() }));
    let (head_timeout, drain) = (HEAD_TIMEOUT, SHUTDOWN / 4);
    let limits = ServeLimits { head_timeout, connections: CONNECTIONS, drain };
    // A service of Cloud Run is called; a worker pool, like any other process, consumes.
    let working = if env.get("K_SERVICE").is_some() {
        let routes = platform::routes(delivered(rulebook));
        app = app.merge(questline_environment::guarded(&env, routes)?);
        None
    } else {
        tokio::spawn(lag::watch(log.clone(), metrics.clone(), stop.clone()));
        tokio::spawn(residue::watch(warehouse.ask(), metrics.clone(), clock.clone(), stop.clone()));
        let processor = Processor::new(rulebook, log.clone(), rows, metrics, clock, stop.clone());
        Some(processor.run(log.join(GROUP)?))
    };
    let serving = tokio::spawn(serve::http(listener, app, limits, stop.clone()));
    let ended = serve::until_asked(&mut signals, &stop, working).await;
    serving.await?;
    warehouse.close().await;
    log.close().await;
    ended
}
