//! The log that the environment names.

use std::{path::Path, sync::Arc};

use questline_log_kafka::{KafkaLog, Settings};
use questline_log_sqlite::SqliteLog;
use questline_runtime::config::Env;
use questline_stores::log::Log;

/// Opens the log of `QUESTLINE_LOG`.
///
/// # Errors
/// If the variable cannot be used, or the log cannot be opened.
pub async fn log(env: &Env) -> anyhow::Result<Arc<dyn Log>> {
    let meaning = "where the log lies: sqlite:DIRECTORY or kafka:BROKERS";
    Ok(match env.location("QUESTLINE_LOG", meaning, &["sqlite", "kafka"])? {
        ("kafka", at) => {
            Arc::new(KafkaLog::open(Settings::read(at, |name| env.owned(name))?).await?)
        }
        (_, directory) => Arc::new(SqliteLog::open(Path::new(directory))?),
    })
}
