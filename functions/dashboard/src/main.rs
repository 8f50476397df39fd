//! The dashboard as a function of its own: HTTP on `$PORT`.

use std::{path::Path, sync::Arc};

use questline_dashboard::{Config, Form, routes};
use questline_environment::Rulebook;
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
use questline_runtime::{
    CancellationToken,
    clock::SystemClock,
    config::{Env, Listen},
    release,
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
    let Listen { host, port } = Listen::read(&env)?;
    let password = env.owned("QUESTLINE_DASHBOARD_PASSWORD");
    anyhow::ensure!(
        host.is_loopback() || password.is_some(),
        "QUESTLINE_DASHBOARD_PASSWORD is not set: without it the dashboard listens on loopback only"
    );
    let meaning = "where the warehouse lies: duckdb:DIRECTORY";
    let (_, directory) = env.location("QUESTLINE_WAREHOUSE", meaning, &["duckdb"])?;
    let warehouse = DuckdbWarehouse::open(Path::new(directory))?;
    let stop = CancellationToken::new();
    let form = |ingest| Form { ingest, key: String::new() };
    let dashboard = routes(Config {
        source: Arc::new(warehouse.clone()),
        metrics: None,
        rules: Rulebook::read(&env)?.rules,
        form: env.owned("QUESTLINE_INGEST_URL").map(form),
        password,
        clock: SystemClock::shared(),
        stop: stop.clone(),
    });
    let listener = TcpListener::bind((host, port)).await?;
    let app = release::routes().merge(dashboard);
    let (head_timeout, drain) = (HEAD_TIMEOUT, SHUTDOWN / 2);
    let limits = ServeLimits { head_timeout, connections: CONNECTIONS, drain };
    let serving = tokio::spawn(serve::http(listener, app, limits, stop.clone()));
    signals.asked().await;
    stop.cancel();
    serving.await?;
    warehouse.close().await;
    Ok(())
}
