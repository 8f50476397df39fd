//! The daily run as a function of its own: AWS Lambda, a Cloud Run job, or HTTP on `$PORT`.

use std::sync::Arc;

use anyhow::Context as _;
use axum::routing::get;
use questline_daily_aggregate::{
    DailyRun, Ports,
    platform::{invoked, job},
    routes,
};
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
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
    let warehouse = questline_environment::warehouse(&env).await?;
    let metrics = Arc::new(Metrics::default());
    let ports = Ports {
        warehouse: warehouse.days(),
        features: questline_environment::features(&env).await?,
        ready: questline_environment::ready(&env).await?,
        playtime_types: questline_environment::registry(&env)?.0.playtime(),
        clock: SystemClock::shared(),
    };
    let daily = Arc::new(DailyRun::new(ports, metrics.clone()));
    if serve::is_lambda() {
        let invoked = move |event, left| invoked(daily.clone(), event, left);
        return serve::lambda_events(metrics, invoked).await;
    }
    if let Some(request) = env.get("QUESTLINE_DAILY") {
        let request = serde_json::from_str(request).context("QUESTLINE_DAILY")?;
        tokio::select! {
            done = job(&daily, request) => done?,
            () = signals.asked() => anyhow::bail!("asked to end: what is left is for the next job"),
        }
    } else {
        let Listen { host, port } = Listen::read(&env)?;
        let listener = TcpListener::bind((host, port)).await?;
        let stop = CancellationToken::new();
        let app = release::routes()
            .route("/metrics", get(|| async move { metrics.text() }))
            .merge(questline_environment::guarded(&env, routes(daily))?);
        let (head_timeout, drain) = (HEAD_TIMEOUT, SHUTDOWN / 2);
        let limits = ServeLimits { head_timeout, connections: CONNECTIONS, drain };
        let serving = tokio::spawn(serve::http(listener, app, limits, stop.clone()));
        signals.asked().await;
        stop.cancel();
        serving.await?;
    }
    warehouse.close().await;
    Ok(())
}
