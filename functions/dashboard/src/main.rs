//! The dashboard as a function of its own: HTTP on `$PORT`, or AWS Lambda.

use std::sync::Arc;

use questline_dashboard::{Config, Form, Sent, Viewers, routes};
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
use questline_stores::log::Reader;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _telemetry = telemetry::start(tracing::level_filters::LevelFilter::INFO);
    let (mut signals, env) = (Signals::listen()?, questline_environment::variables().await?);
    let (viewers, Listen { host, port }) = (Viewers::read(&env)?, Listen::read(&env)?);
    anyhow::ensure!(
        host.is_loopback() || viewers != Viewers::Local,
        "QUESTLINE_DASHBOARD_PASSWORD is not set: without it the dashboard listens on loopback only"
    );
    let warehouse = questline_environment::warehouse(&env).await?;
    let stop = CancellationToken::new();
    let looked_into = env.clone();
    let sent = Sent::new(move || {
        let env = looked_into.clone();
        async move { Ok(questline_environment::log(&env).await? as Arc<dyn Reader>) }
    });
    let form = |ingest| Form { ingest, key: String::new() };
    let page = routes(Config {
        source: warehouse.ask(),
        sent: env.get("QUESTLINE_LOG").map(|_| sent),
        metrics: None,
        rules: Rulebook::read(&env)?.rules,
        form: env.owned("QUESTLINE_INGEST_URL").map(form),
        viewers,
        clock: SystemClock::shared(),
        stop: stop.clone(),
    });
    let app = release::routes().merge(page);
    if serve::is_lambda() {
        return serve::lambda_streams(app).await;
    }
    let listener = TcpListener::bind((host, port)).await?;
    let (head_timeout, drain) = (HEAD_TIMEOUT, SHUTDOWN / 2);
    let limits = ServeLimits { head_timeout, connections: CONNECTIONS, drain };
    let serving = tokio::spawn(serve::http(listener, app, limits, stop.clone()));
    signals.asked().await;
    stop.cancel();
    serving.await?;
    warehouse.close().await;
    Ok(())
}
