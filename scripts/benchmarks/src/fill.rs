//! A warehouse as play leaves it, made by SQL: through the door it would take too long.

use std::path::Path;

use anyhow::Context as _;
use questline_warehouse_duckdb::{DuckdbWarehouse, FILE};

/// Fills a fresh warehouse with events between two moments, microseconds since 1970.
pub(crate) async fn fill(
    directory: &Path,
    events: usize,
    from: i64,
    to: i64,
) -> anyhow::Result<()> {
    // Whoever opens it first makes its tables.
    DuckdbWarehouse::open(directory)?.close().await;
    let database = duckdb::Connection::open(directory.join(FILE))?;
    database.execute_batch("SET TimeZone = 'UTC'; SET threads = 2; SET memory_limit = '4GB'")?;
    // DuckDB takes parameters for one statement at a time, and these have them in common.
    let values = [("?1", i64::try_from(events)?), ("?2", from), ("?3", to)];
    let texts = values.iter().fold(include_str!("fill.sql").to_owned(), |text, (name, value)| {
        text.replace(name, &value.to_string())
    });
    database.execute_batch(&texts).context("fill.sql")?;
    database.execute_batch("CHECKPOINT")?;
    Ok(())
}
