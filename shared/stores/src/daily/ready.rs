//! What the daily run hands on: a day's features with their manifest, and the message that they are
//! there.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use questline_events::Day;
use serde::{Deserialize, Serialize};

use crate::Cause;

/// "Metrics ready": a day is closed, and training may read its features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsReady {
    /// The day.
    pub day: Day,
    /// No check that stops training has failed.
    pub checks_passed: bool,
    /// What the ledger of the day misses, as a share of its records.
    pub residue: f64,
    /// Where the manifest lies, below the place of all features.
    pub manifest: String,
    /// The run of the day.
    pub run: String,
}

/// What the files of a day's features are, and what they were made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The day.
    pub day: Day,
    /// The run of the day.
    pub run: String,
    /// The files, beside the manifest.
    pub files: Vec<ExportedFile>,
    /// Rows of all files.
    pub rows: u64,
    /// The columns in order.
    pub schema: Vec<ManifestColumn>,
    /// SHA-256 of the query texts that the rows come from.
    pub query_version: String,
    /// The release that ran them.
    pub function_version: String,
    /// Every quality check: passed, or how many rows break it.
    pub checks: BTreeMap<String, String>,
    /// What the ledger of the day misses, as a share of its records.
    pub ledger_residue: f64,
}

/// The folder of a day's features, below the place of all.
#[must_use]
pub fn features_of(day: Day) -> String {
    format!("level_features/{day}")
}

/// The file of a folder that says what is in it. A folder without it is not there.
pub const MANIFEST: &str = "manifest.json";

/// Where the manifest of a day lies, below the place of all features.
#[must_use]
pub fn manifest_of(day: Day) -> String {
    format!("{}/{MANIFEST}", features_of(day))
}

/// A file of features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedFile {
    /// Its path, beside the manifest.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// A column of a file of features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestColumn {
    /// Its name.
    pub name: String,
    /// Its type, as Arrow writes it.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Where features are kept.
#[async_trait]
pub trait FeatureStore: Send + Sync {
    /// Replaces the files of a folder by these, all of them or none. The folder is a path below the
    /// place of all features, and the last file is its manifest.
    async fn replace(&self, folder: &str, files: Vec<(String, Bytes)>) -> Result<(), Cause>;

    /// A folder is not there any more, if it was: its manifest goes first.
    async fn remove(&self, folder: &str) -> Result<(), Cause>;
}

/// Where the message goes. It may go there more than once.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Hands the message on: it is kept when this ends.
    async fn publish(&self, message: &MetricsReady) -> Result<(), Cause>;
}
