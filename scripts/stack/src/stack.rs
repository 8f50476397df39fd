//! Starting and ending the stack.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use questline_client::Place;
use questline_environment::Rulebook;
use questline_events::limits::{CONNECTIONS, HEAD_TIMEOUT, SHUTDOWN};
use questline_ingest::{
    Ingest, app,
    config::Config,
    keys::{Entry, Keys},
};
use questline_log_kafka::{KafkaLog, Settings};
use questline_log_sqlite::SqliteLog;
use questline_process::{lag, residue};
use questline_runtime::{
    CancellationToken,
    clock::{SystemClock, now_micros},
    config::Env,
    metrics::Metrics,
    serve::{self, ServeLimits, Signals},
    telemetry,
};
use questline_stores::{Topic, log::Log, replay::Past};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    arguments::{Arguments, LOCAL},
    days::Days,
    figures,
    figures::say,
    operator,
    operator::{Made, Operator},
    page,
    page::Opening,
    players,
    processing::{Processing, Warehouse},
};

/// Whoever is on this machine may send as fast as it can take.
const LOCAL_RATE: u32 = 10_000_000;

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(tracing::level_filters::LevelFilter::WARN);
    let mut signals = Signals::listen()?;
    let directory = &arguments.data_dir;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("{} cannot be made", directory.display()))?;
    let (place, (log, past)) = (Place::new(directory), log(&arguments).await?);
    let token = place.token(Some(&secret)).context("the operator's token")?;
    let fresh = log.ends(Topic::Raw).await?.iter().all(|end| *end == 0);
    let (metrics, clock) = (Arc::new(Metrics::default()), SystemClock::shared());
    let ingest = Arc::new(Ingest::new(config()?, log.clone(), metrics.clone(), clock));
    let listener = listen(arguments.port).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stop, warehouse) = (CancellationToken::new(), Warehouse::default());
    let rulebook = Rulebook::read(&Env::of_process())?;
    let days = Days {
        warehouse: warehouse.clone(),
        directory: directory.clone(),
        playtime_types: rulebook.rules.registry.playtime(),
        metrics: metrics.clone(),
        made: Arc::default(),
    };
    let operator = Operator {
        token,
        address: listener.local_addr()?,
        ingest: ingest.clone(),
        log: log.clone(),
        warehouse: warehouse.clone(),
        made: Made::default(),
        past,
        rulebook: rulebook.clone(),
        days: days.clone(),
    };
    let routes = app(ingest.clone()).merge(operator::routes(operator)).merge(page::routes(
        metrics.clone(),
        warehouse.clone(),
        log.clone(),
        rulebook.rules.clone(),
        stop.clone(),
    ));
    let (head_timeout, drain) = (HEAD_TIMEOUT, SHUTDOWN / 4);
    let limits = ServeLimits { head_timeout, connections: CONNECTIONS, drain };
    let serving = tokio::spawn(serve::http(listener, routes, limits, stop.clone()));
    announce(&place, &url, directory)?;

    let keeping = ingest.clone();
    let book = tokio::spawn(async move { keeping.keep_book().await });
    let watching = watch(warehouse.clone(), metrics.clone(), stop.clone());
    let looking = tokio::spawn(lag::watch(log.clone(), metrics.clone(), stop.clone()));
    let mut processing = Processing::start(directory, &log, &metrics, warehouse, rulebook)?;
    let playing = stop.child_token();
    let players = tokio::spawn(players::play(arguments_of(&arguments, fresh), url, playing));
    let showing = tokio::spawn(figures::show(metrics, stop.clone()));
    let expiring = tokio::spawn(expire(log.clone(), stop.clone()));
    let closing = tokio::spawn(days.keep(stop.clone()));
    let ended = tokio::select! {
        () = signals.asked() => Ok(()),
        // Processing only ends by itself where it can never work.
        failed = processing.ended() => failed,
    };
    say("\n");
    stop.cancel();
    for task in [serving, showing, players, watching, looking, expiring, closing] {
        task.await?;
    }
    ingest.end(Duration::from_secs(1)).await;
    book.await?;
    let drained = processing.drain(&*log, SHUTDOWN / 2).await;
    log.close().await;
    place.withdraw();
    ended.and(drained)
}

fn secret() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

fn announce(place: &Place, url: &str, directory: &Path) -> anyhow::Result<()> {
    place.announce(url).context("the data directory cannot be written")?;
    let directory = directory.display();
    say(&format!("Questline is at {url}/ — write key `{LOCAL}`, data in {directory}\n"));
    Ok(())
}

/// The log: embedded in the data directory, or a Kafka's, whose topics are made where they are missing.
async fn log(arguments: &Arguments) -> anyhow::Result<(Arc<dyn Log>, Arc<dyn Past>)> {
    let Some(brokers) = &arguments.brokers else {
        let log = Arc::new(SqliteLog::open(&arguments.data_dir)?);
        return Ok((log.clone(), log));
    };
    let env = Env::of_process();
    let mut settings = Settings::read(brokers, |name| env.owned(name))?;
    // A stack that was killed goes on at once where it was.
    settings.instance.get_or_insert_with(|| LOCAL.to_owned());
    KafkaLog::create_topics(&settings).await?;
    let log = Arc::new(KafkaLog::open(settings).await?);
    Ok((log.clone(), log))
}

fn arguments_of(arguments: &Arguments, fresh: bool) -> players::Game {
    players::Game {
        nobody: arguments.no_players,
        seed: arguments.seed,
        rate: arguments.rate,
        history_days: if fresh { arguments.history } else { 0 },
    }
}

/// The rules of processing, one write key, and loopback as a proxy that is believed: that is how the
/// players come from everywhere.
fn config() -> anyhow::Result<Config> {
    let mut env = Env::of_process();
    for (name, value) in [("QUESTLINE_KEYS", "[]"), ("QUESTLINE_TRUSTED_PROXIES", "127.0.0.0/8")] {
        env.set(name.to_owned(), value.to_owned());
    }
    let config = Config::read(&env)?;
    let entry = Entry {
        events_per_second: LOCAL_RATE,
        address_events_per_second: LOCAL_RATE,
        ..Entry::of(LOCAL, LOCAL)
    };
    let keys = Keys::of(vec![entry], config.rules.limits.request_events)?;
    Ok(Config { keys, ..config })
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .await
        .with_context(|| format!("port {port} cannot be had: name another one with --port"))
}

/// Tells what is missing, as a deployed processor does.
fn watch(warehouse: Warehouse, metrics: Arc<Metrics>, stop: CancellationToken) -> JoinHandle<()> {
    let asked = Arc::new(Opening(warehouse));
    tokio::spawn(residue::watch(asked, metrics, SystemClock::shared(), stop))
}

/// Drops what is past its retention, every hour.
async fn expire(log: Arc<dyn Log>, stop: CancellationToken) {
    let hour = Duration::from_secs(3_600);
    while stop.run_until_cancelled(tokio::time::sleep(hour)).await.is_some() {
        if let Err(error) = log.expire(now_micros() / 1_000).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "log.expire");
        }
    }
}
