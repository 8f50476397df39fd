//! The trigger as a function of its own: called over HTTP, a worker that pulls, or AWS Lambda.

use std::sync::Arc;

use axum::routing::get;
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
use questline_google::{Google, Work};
use questline_ml_trigger::{Places, Spec, Terms, Trigger, platform};
use questline_pubsub::{Settings, each};
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
    let (places, metrics) = (Places::read(&env)?, Arc::new(Metrics::default()));
    let warehouse = questline_environment::warehouse(&env).await?;
    let google = Google::find(|name| env.owned(name)).await?;
    let root = google.objects(places.root)?;
    let work = Work { account: places.account.to_owned(), root: root.uri("jobs") };
    let trigger = Arc::new(Trigger {
        features: google.objects(places.features)?,
        root,
        trainer: google.trainer(places.trainer.1, work)?,
        runs: warehouse.training(),
        spec: Spec::shipped()?,
        terms: Terms::read(&env)?,
        metrics: metrics.clone(),
        clock: SystemClock::shared(),
    });
    if serve::is_lambda() {
        let invoked = move |event, _| platform::invoked(trigger.clone(), event);
        return serve::lambda_events(metrics, invoked).await;
    }
    let Listen { host, port } = Listen::read(&env)?;
    let (listener, stop) = (TcpListener::bind((host, port)).await?, CancellationToken::new());
    let app = release::routes()
        .route("/metrics", get(|| async move { metrics.text() }))
        .merge(questline_environment::guarded(&env, platform::routes(trigger.clone()))?);
    let (head_timeout, drain) = (HEAD_TIMEOUT, SHUTDOWN / 2);
    let limits = ServeLimits { head_timeout, connections: CONNECTIONS, drain };
    let serving = tokio::spawn(serve::http(listener, app, limits, stop.clone()));
    // Who is not pushed to pulls, and looks after its jobs by itself.
    let working = match places.messages {
        None => None,
        Some((_, name)) => {
            let (name, stop) = (name.to_owned(), stop.clone());
            let messages = Settings::read(|name| env.owned(name))?;
            Some(async move {
                let handle = |data| platform::pulled(trigger.clone(), data);
                let reading = each(messages, &name, stop.cancelled(), handle);
                Ok(platform::while_following(&trigger, reading).await?)
            })
        }
    };
    let ended = serve::until_asked(&mut signals, &stop, working).await;
    serving.await?;
    warehouse.close().await;
    ended
}
