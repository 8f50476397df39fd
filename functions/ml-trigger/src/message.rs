//! What is said when the metrics of a day are ready, and the manifest that it names.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The message: a day was closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsReady {
    /// The closed day.
    pub day: NaiveDate,
    /// Whether every check that stops training has passed.
    pub checks_passed: bool,
    /// Share of the day's events that the ledger misses.
    pub residue: f64,
    /// Where the manifest of the day's features lies: `features/level_features/DAY/manifest.json`.
    pub manifest: String,
    /// The run that closed it.
    pub run: String,
}

/// What the features of a day are, as their export wrote it down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayManifest {
    /// The day.
    pub day: NaiveDate,
    /// Its files, by names within its folder.
    pub files: Vec<File>,
    /// Rows of all files.
    pub rows: u64,
    /// SHA-256 of the query that gave them.
    pub query_version: String,
    /// Release that exported them.
    pub function_version: Value,
    /// What the day's checks gave.
    pub checks: Value,
    /// Share of the day's events that the ledger misses.
    pub ledger_residue: f64,
}

/// A file of features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 of what it holds.
    pub sha256: String,
}

/// The folder of a day, within the place of features.
pub(crate) fn folder(day: NaiveDate) -> String {
    format!("level_features/{day}")
}
