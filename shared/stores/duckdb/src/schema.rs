//! Tables and views, made from the texts under `sql/`.

use duckdb::Connection;
use questline_events::row;

macro_rules! definitions {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../sql/", $name, "/duckdb.sql")))),+]
    };
}

/// Tables first, then views, each after what it reads.
const DEFINITIONS: &[(&str, &str)] = definitions![
    "events",
    "events_agg_1min",
    "events_1min_closed",
    "events_dlq",
    "events_reprocessed",
    "ledger",
    "ledger_reads",
    "lookup_versions",
    "cross_day_duplicates",
    "day_rows",
    "ledger_days",
    "purchases",
    "purchases_counted",
    "level_metrics",
    "user_daily_metrics",
    "revenue_daily_metrics",
    "retention_daily",
    "pipeline_runs",
    "touched_days",
    "quality_results",
    "training_runs",
    "events_unique",
    "stale_days",
    "events_1min_parts",
    "events_1min",
    "letters",
    "level_daily_stats",
    "level_features",
    "purchases_unique",
    "players_first_seen",
    "ledger_boots",
    "ledger_logs",
    "ledger_minutes",
    "ledger_residue",
];

/// What only this adapter needs: how far each log's rows go.
const POSITIONS: &str = "CREATE TABLE IF NOT EXISTS source_positions (
    log_id TEXT NOT NULL, source_partition BIGINT NOT NULL, next_offset BIGINT NOT NULL)";

/// Makes what is missing.
pub(crate) fn create(connection: &Connection) -> duckdb::Result<()> {
    connection.execute_batch(POSITIONS)?;
    DEFINITIONS.iter().try_for_each(|(_, text)| connection.execute_batch(text))
}

/// Names the first table that is there and whose columns are not those that this release writes.
pub(crate) fn foreign(connection: &Connection) -> duckdb::Result<Option<String>> {
    let mut columns = connection.prepare(
        "SELECT column_name, NOT is_nullable FROM duckdb_columns()
         WHERE table_name = ? AND NOT internal ORDER BY column_index",
    )?;
    for (table, schema) in row::written() {
        let found = columns
            .query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))?
            .collect::<duckdb::Result<Vec<_>>>()?;
        let expected = schema.fields().iter().map(|f| (f.name().clone(), !f.is_nullable()));
        if !found.is_empty() && found != expected.collect::<Vec<_>>() {
            return Ok(Some(table.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_under_sql_is_made_and_fits_the_rows() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../sql");
        let mut folders: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            // Replay makes its own, and only while it is at work.
            .filter(|name| !name.starts_with("staged_"))
            .collect();
        let mut made: Vec<_> = DEFINITIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
        folders.sort();
        made.sort();
        assert_eq!(made, folders);

        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        create(&connection).unwrap();
        assert_eq!(foreign(&connection).unwrap(), None);
        connection.execute_batch("ALTER TABLE ledger ADD COLUMN more BIGINT").unwrap();
        assert_eq!(foreign(&connection).unwrap().as_deref(), Some("ledger"));
    }
}
