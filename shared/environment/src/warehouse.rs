//! The warehouse that the environment names.

#[cfg(feature = "duckdb")]
use std::path::Path;
use std::sync::Arc;

use questline_runtime::config::Env;
use questline_stores::{
    daily::DayWarehouse, letters::Letters, replay::Replace, saved::Ask, training::TrainingRuns,
    warehouse::Warehouse,
};
use questline_warehouse_bigquery::BigqueryWarehouse;
#[cfg(feature = "duckdb")]
use questline_warehouse_duckdb::DuckdbWarehouse;

/// An open warehouse.
pub enum Opened {
    /// A file in a directory.
    #[cfg(feature = "duckdb")]
    Duckdb(DuckdbWarehouse),
    /// A dataset.
    Bigquery(BigqueryWarehouse),
}

/// Opens the warehouse of `QUESTLINE_WAREHOUSE`.
///
/// # Errors
/// If the variable cannot be used, or the warehouse cannot be opened.
pub async fn warehouse(env: &Env) -> anyhow::Result<Opened> {
    open(env, false).await
}

/// The same for whoever writes and does not query.
///
/// # Errors
/// As [`warehouse`]'s.
pub async fn warehouse_to_write(env: &Env) -> anyhow::Result<Opened> {
    open(env, true).await
}

async fn open(env: &Env, writes: bool) -> anyhow::Result<Opened> {
    let meaning = "where the warehouse lies: duckdb:DIRECTORY or bigquery:PROJECT.DATASET";
    match env.location("QUESTLINE_WAREHOUSE", meaning, &["duckdb", "bigquery"])? {
        ("bigquery", dataset) => {
            let variable = |name: &str| env.owned(name);
            Ok(Opened::Bigquery(BigqueryWarehouse::open(dataset, variable).await?))
        }
        (_, directory) => file(directory, writes),
    }
}

#[cfg(feature = "duckdb")]
fn file(directory: &str, writes: bool) -> anyhow::Result<Opened> {
    let open = if writes { DuckdbWarehouse::open_to_write } else { DuckdbWarehouse::open };
    Ok(Opened::Duckdb(open(Path::new(directory))?))
}

/// What is deployed is small: its warehouse is a dataset.
#[cfg(not(feature = "duckdb"))]
fn file(directory: &str, _writes: bool) -> anyhow::Result<Opened> {
    anyhow::bail!(
        "QUESTLINE_WAREHOUSE is duckdb:{directory}, and this build has no DuckDB: name \
         bigquery:PROJECT.DATASET, or build with cargo's feature `duckdb`"
    )
}

impl Opened {
    /// The side of whoever asks saved questions.
    #[must_use]
    pub fn ask(&self) -> Arc<dyn Ask> {
        match self {
            #[cfg(feature = "duckdb")]
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.clone()),
        }
    }

    /// Processing's side.
    ///
    /// # Errors
    /// If its tables are of another release.
    pub async fn rows(&self, env: &Env) -> anyhow::Result<Arc<dyn Warehouse>> {
        Ok(match self {
            #[cfg(feature = "duckdb")]
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.streams(|name| env.owned(name)).await?),
        })
    }

    /// Replay's side.
    ///
    /// # Errors
    /// If its tables are of another release.
    pub async fn replace(&self, env: &Env) -> anyhow::Result<Arc<dyn Replace>> {
        Ok(match self {
            #[cfg(feature = "duckdb")]
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.replay(|name| env.owned(name)).await?),
        })
    }

    /// Reprocess's side.
    #[must_use]
    pub fn letters(&self) -> Arc<dyn Letters> {
        match self {
            #[cfg(feature = "duckdb")]
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.letters()),
        }
    }

    /// The daily run's side.
    #[must_use]
    pub fn days(&self) -> Arc<dyn DayWarehouse> {
        match self {
            #[cfg(feature = "duckdb")]
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.clone()),
        }
    }

    /// The book of training.
    #[must_use]
    pub fn training(&self) -> Arc<dyn TrainingRuns> {
        match self {
            #[cfg(feature = "duckdb")]
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.clone()),
        }
    }

    /// Sees to what waits, so that the next opening is quick.
    pub async fn close(self) {
        match self {
            #[cfg(feature = "duckdb")]
            Self::Duckdb(file) => file.close().await,
            // What was answered is kept there.
            Self::Bigquery(_) => {}
        }
    }
}
