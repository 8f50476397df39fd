//! The log that the environment names.

use std::{path::Path, sync::Arc};

use questline_log_kafka::{KafkaLog, Settings};
use questline_log_sqlite::SqliteLog;
use questline_runtime::config::Env;
use questline_stores::{log::Log, replay::Past};

/// Opens the log of `QUESTLINE_LOG`.
///
/// # Errors
/// If the variable cannot be used, or the log cannot be opened.
pub async fn log(env: &Env) -> anyhow::Result<Arc<dyn Log>> {
    Ok(log_and_past(env).await?.0)
}

/// The same, and its side for whoever replays it.
///
/// # Errors
/// As [`log`]'s.
pub async fn log_and_past(env: &Env) -> anyhow::Result<(Arc<dyn Log>, Arc<dyn Past>)> {
    let meaning = "where the log lies: sqlite:DIRECTORY or kafka:BROKERS";
    let (kind, at) = env.location("QUESTLINE_LOG", meaning, &["sqlite", "kafka"])?;
    if kind == "kafka" {
        let settings = Settings::read(at, |name| env.owned(name))?;
        let log = Arc::new(KafkaLog::open(settings).await?);
        return Ok((log.clone(), log));
    }
    let log = Arc::new(SqliteLog::open(Path::new(at))?);
    Ok((log.clone(), log))
}
