//! The warehouse that the environment names.

use std::{path::Path, sync::Arc};

use questline_runtime::config::Env;
use questline_stores::{
    daily::DayWarehouse,
    letters::Letters,
    replay::Replace,
    saved::Ask,
    training::TrainingRuns,
    warehouse::{Warehouse, WarehouseError},
};
use questline_warehouse_bigquery::BigqueryWarehouse;
use questline_warehouse_duckdb::DuckdbWarehouse;

/// An open warehouse.
pub enum Opened {
    /// A file in a directory.
    Duckdb(DuckdbWarehouse),
    /// A dataset.
    Bigquery(BigqueryWarehouse),
}

/// Opens the warehouse of `QUESTLINE_WAREHOUSE`.
///
/// # Errors
/// If the variable cannot be used, or the warehouse cannot be opened.
pub async fn warehouse(env: &Env) -> anyhow::Result<Opened> {
    open(env, DuckdbWarehouse::open).await
}

/// The same for whoever writes and does not query.
///
/// # Errors
/// As [`warehouse`]'s.
pub async fn warehouse_to_write(env: &Env) -> anyhow::Result<Opened> {
    open(env, DuckdbWarehouse::open_to_write).await
}

async fn open(
    env: &Env,
    duckdb: impl FnOnce(&Path) -> Result<DuckdbWarehouse, WarehouseError>,
) -> anyhow::Result<Opened> {
    let meaning = "where the warehouse lies: duckdb:DIRECTORY or bigquery:PROJECT.DATASET";
    Ok(match env.location("QUESTLINE_WAREHOUSE", meaning, &["duckdb", "bigquery"])? {
        ("bigquery", dataset) => {
            let variable = |name: &str| env.owned(name);
            Opened::Bigquery(BigqueryWarehouse::open(dataset, variable).await?)
        }
        (_, directory) => Opened::Duckdb(duckdb(Path::new(directory))?),
    })
}

impl Opened {
    /// The side of whoever asks saved questions.
    #[must_use]
    pub fn ask(&self) -> Arc<dyn Ask> {
        match self {
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
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.replay(|name| env.owned(name)).await?),
        })
    }

    /// Reprocess's side.
    #[must_use]
    pub fn letters(&self) -> Arc<dyn Letters> {
        match self {
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.letters()),
        }
    }

    /// The daily run's side.
    #[must_use]
    pub fn days(&self) -> Arc<dyn DayWarehouse> {
        match self {
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.clone()),
        }
    }

    /// The book of training.
    #[must_use]
    pub fn training(&self) -> Arc<dyn TrainingRuns> {
        match self {
            Self::Duckdb(file) => Arc::new(file.clone()),
            Self::Bigquery(dataset) => Arc::new(dataset.clone()),
        }
    }

    /// Sees to what waits, so that the next opening is quick.
    pub async fn close(self) {
        if let Self::Duckdb(file) = self {
            file.close().await;
        }
    }
}
