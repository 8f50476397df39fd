//! The daily run's side of a warehouse: what the steps of a day ask of it, and how far they got.

mod attempt;
mod directory;
mod ready;
mod statements;

use arrow_array::RecordBatch;
use async_trait::async_trait;
pub use attempt::{Attempt, Snapshot, State};
pub use directory::{Directory, MESSAGES};
use questline_events::Day;
pub use ready::{
    ExportedFile, FeatureStore, MANIFEST, Manifest, ManifestColumn, MetricsReady, Publisher,
    features_of, manifest_of,
};
use serde_json::Value;
pub use statements::{CHECKS, Check, Severity, Table, query_version};

use crate::warehouse::WarehouseError;

/// How far the ledger is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The last closed minute, microseconds since 1970.
    pub closed_through: Option<i64>,
    /// Minutes of the day and before it that are still open.
    pub open_minutes: i64,
    /// The first of them.
    pub first_open: Option<i64>,
}

/// What the ledger of a day misses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Residue {
    /// Records that are missing, or too much.
    pub residue: i64,
    /// Of so many.
    pub records: i64,
    /// Whether it was ever counted.
    pub frozen: bool,
}

/// The rows that break a check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Broken {
    /// How many there are.
    pub rows: u64,
    /// The first of them, as objects.
    pub first: Vec<Value>,
}

/// A row of `quality_results`.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// The check.
    pub check: &'static Check,
    /// What breaks it: nothing, and it has passed.
    pub broken: Broken,
    /// Microseconds since 1970.
    pub checked_at: i64,
}

/// A day that a run can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownDay {
    /// The day.
    pub day: Day,
    /// It was changed after its last run.
    pub stale: bool,
}

/// What the steps of a day are made of. Each named text lies under `sql/`.
#[async_trait]
pub trait Daily: Send + Sync {
    /// How far the ledger is closed: `ledger_minutes/readiness`.
    async fn readiness(&self, day: Day) -> Result<Readiness, WarehouseError>;

    /// Replaces the rows that a table has of a day by those that its query gives, in one
    /// transaction, with the table that is to be replaced [`Table::first`]. Of [`Table::DayRows`] it
    /// tells what that transaction saw of the day.
    async fn replace(
        &self,
        table: Table,
        day: Day,
        playtime_types: &str,
    ) -> Result<Option<Snapshot>, WarehouseError>;

    /// The rows that break a check, of which `most` are shown.
    async fn check(&self, check: &Check, day: Day, most: usize) -> Result<Broken, WarehouseError>;

    /// Writes the results of a run's checks, once.
    async fn keep(
        &self,
        day: Day,
        run: &str,
        results: &[CheckResult],
    ) -> Result<(), WarehouseError>;

    /// The results of a run's checks: `quality_results/of_run`.
    async fn kept(&self, day: Day, run: &str) -> Result<Vec<CheckResult>, WarehouseError>;

    /// What the ledger of the day misses: `ledger_days/share`.
    async fn residue(&self, day: Day) -> Result<Residue, WarehouseError>;

    /// What training reads of a day: `level_features/export`.
    async fn features(&self, day: Day) -> Result<Vec<RecordBatch>, WarehouseError>;
}

/// The runs of days: `pipeline_runs`, and which days changed since.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Whether this process alone can reach the warehouse: what runs, and not in it, was killed.
    fn alone(&self) -> bool {
        false
    }

    /// The attempts of the last run of each day, from one day through another, in order.
    async fn attempts(&self, from: Day, through: Day) -> Result<Vec<Attempt>, WarehouseError>;

    /// Writes an attempt that begins; `false` if it has begun already, by somebody else.
    async fn begin(&self, attempt: &Attempt) -> Result<bool, WarehouseError>;

    /// Writes what has become of an attempt.
    async fn record(&self, attempt: &Attempt) -> Result<(), WarehouseError>;

    /// Notes which closed days have changed since their run: `touched_days/query`.
    async fn touch(&self, from: Day, through: Day, now: i64) -> Result<(), WarehouseError>;

    /// The days that a run can be of: `pipeline_runs/days`.
    async fn days(&self, from: Day, through: Day) -> Result<Vec<KnownDay>, WarehouseError>;
}

/// A warehouse that days can be closed in.
pub trait DayWarehouse: Daily + Runs {}

impl<T: Daily + Runs> DayWarehouse for T {}
