//! Reprocess as a function of its own: AWS Lambda, a Cloud Run job, or HTTP on `$PORT`.

use std::sync::Arc;

use anyhow::Context as _;
use questline_dlq_reprocess::{
    Reprocess,
    platform::{invoked, job},
    routes,
};
use questline_environment::Rulebook;
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
use questline_runtime::{
    CancellationToken,
    clock::SystemClock,
    config::Listen,
    release,
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
    let warehouse = questline_environment::warehouse(&env).await?;
    let (letters, rules) = (warehouse.letters(), Rulebook::read(&env)?.rules);
    let reprocess = Arc::new(Reprocess::new(letters, log.clone(), rules, SystemClock::shared()));
    if serve::is_lambda() {
        let invoked = move |event, left| invoked(reprocess.clone(), event, left);
        return serve::lambda_events(Arc::default(), invoked).await;
    }
    if let Some(request) = env.get("QUESTLINE_REPROCESS") {
        let request = serde_json::from_str(request).context("QUESTLINE_REPROCESS")?;
        tokio::select! {
            report = job(&reprocess, request) => report?,
            () = signals.asked() => anyhow::bail!("asked to end: what is left is for the next job"),
        }
    } else {
        let Listen { host, port } = Listen::read(&env)?;
        let listener = TcpListener::bind((host, port)).await?;
        let stop = CancellationToken::new();
        let app = release::routes().merge(questline_environment::guarded(&env, routes(reprocess))?);
        let (head_timeout, drain) = (HEAD_TIMEOUT, SHUTDOWN / 2);
        let limits = ServeLimits { head_timeout, connections: CONNECTIONS, drain };
        let serving = tokio::spawn(serve::http(listener, app, limits, stop.clone()));
        signals.asked().await;
        stop.cancel();
        serving.await?;
    }
    warehouse.close().await;
    log.close().await;
    Ok(())
}
