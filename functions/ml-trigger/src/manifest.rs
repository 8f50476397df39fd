//! What a model is trained on: the very files, checks and code.

use std::collections::BTreeMap;

use questline_events::Day;
use questline_stores::daily::{ExportedFile, MetricsReady};
use serde::Serialize;

use crate::decide::{DayFound, PIPELINE};

/// The list that a job trains by. The same list is the same bytes.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingManifest<'a> {
    pipeline: &'static str,
    pipeline_version: &'a str,
    function_version: &'static str,
    training_date: Day,
    lookback_days: u32,
    run: &'a str,
    ledger_residue: f64,
    days: Vec<TrainingDay<'a>>,
}

/// A day of it.
#[derive(Debug, Serialize)]
struct TrainingDay<'a> {
    day: Day,
    manifest_sha256: &'a str,
    rows: u64,
    query_version: &'a str,
    function_version: &'a str,
    checks: &'a BTreeMap<String, String>,
    ledger_residue: f64,
    /// By names within the place of features.
    files: Vec<ExportedFile>,
}

impl<'a> TrainingManifest<'a> {
    pub(crate) fn new(
        message: &'a MetricsReady,
        days: &'a BTreeMap<Day, DayFound>,
        pipeline_version: &'a str,
        lookback_days: u32,
    ) -> Self {
        let days = days.iter().map(|(day, DayFound { manifest, sha256 })| TrainingDay {
            day: *day,
            manifest_sha256: sha256,
            rows: manifest.rows,
            query_version: &manifest.query_version,
            function_version: &manifest.function_version,
            checks: &manifest.checks,
            ledger_residue: manifest.ledger_residue,
            files: manifest
                .files
                .iter()
                .map(|file| ExportedFile { path: format!("{day}/{}", file.path), ..file.clone() })
                .collect(),
        });
        Self {
            pipeline: PIPELINE,
            pipeline_version,
            function_version: env!("CARGO_PKG_VERSION"),
            training_date: message.day,
            lookback_days,
            run: &message.run,
            ledger_residue: message.residue,
            days: days.collect(),
        }
    }
}
