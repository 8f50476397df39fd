//! Writing a batch: one transaction, or nothing.

use arrow_array::RecordBatch;
use duckdb::{Connection, params};
use questline_events::row::EventRows;
use questline_stores::warehouse::{Advance, Rows, WarehouseError};

use crate::database::{Database, positions};

/// Writes the rows and positions of a batch.
pub(crate) fn write(database: &Database, rows: &Rows) -> Result<(), WarehouseError> {
    let mut fenced = false;
    let written = database.with(|connection| {
        transaction(connection, || {
            fenced = !are_at(connection, rows)?;
            if fenced {
                return Ok(());
            }
            for (table, batch) in &rows.tables {
                append(connection, table, batch)?;
            }
            advance(connection, rows)
        })
    });
    match written {
        Ok(()) if fenced => Err(WarehouseError::Fenced),
        written => told(database, EventRows::TABLE, &rows.tables, written),
    }
}

/// Appends rows whose events go to a table, in one transaction.
pub(crate) fn append_all(
    database: &Database,
    events: &str,
    tables: &[(String, RecordBatch)],
) -> Result<(), WarehouseError> {
    let appended = database.with(|connection| {
        transaction(connection, || {
            tables.iter().try_for_each(|(table, batch)| append(connection, table, batch))
        })
    });
    told(database, events, tables, appended)
}

/// Tells rows of events that DuckDB refuses for their content from all else that can go wrong.
fn told(
    database: &Database,
    events: &str,
    tables: &[(impl AsRef<str>, RecordBatch)],
    written: Result<(), WarehouseError>,
) -> Result<(), WarehouseError> {
    match written {
        Err(WarehouseError::Unavailable(cause)) if is_content(&cause.to_string()) => {
            let rows = tables.iter().find(|(table, _)| table.as_ref() == events);
            let refused = rows.map(|(_, rows)| refused(database, events, rows)).transpose()?;
            match refused {
                Some(rows) if !rows.is_empty() => Err(WarehouseError::Refused(rows)),
                // Nothing refused by itself: then it is not the content of an event.
                _ => Err(WarehouseError::Unavailable(cause)),
            }
        }
        written => written,
    }
}

pub(crate) fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> duckdb::Result<T>,
) -> duckdb::Result<T> {
    connection.execute_batch("BEGIN TRANSACTION")?;
    let result = work().and_then(|done| connection.execute_batch("COMMIT").map(|()| done));
    if result.is_err() {
        // A transaction that the failure ended already cannot be rolled back.
        _ = connection.execute_batch("ROLLBACK");
    }
    result
}

fn append(connection: &Connection, table: &str, batch: &RecordBatch) -> duckdb::Result<()> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    let mut appender = connection.appender(table)?;
    appender.append_record_batch(batch.clone())?;
    appender.flush()
}

/// Whether the tables are where the writer believes them to be.
fn are_at(connection: &Connection, rows: &Rows) -> duckdb::Result<bool> {
    let known = positions(connection, &rows.log_id)?;
    let at = |partition| known.iter().find(|(known, _)| *known == partition).map(|(_, at)| *at);
    Ok(rows.positions.iter().all(|advance| at(advance.partition) == advance.from))
}

/// Moves all partitions of a batch at once: a statement costs as much as hundreds of rows.
fn advance(connection: &Connection, rows: &Rows) -> duckdb::Result<()> {
    let partitions: Vec<_> = rows.positions.iter().map(|advance| advance.partition).collect();
    connection
        .prepare_cached(
            "DELETE FROM source_positions
             WHERE log_id = ? AND list_contains(CAST(? AS BIGINT[]), source_partition)",
        )?
        .execute(params![rows.log_id, format!("{partitions:?}")])?;
    let mut appender = connection.appender("source_positions")?;
    for Advance { partition, to, .. } in &rows.positions {
        appender.append_row(params![rows.log_id, partition, to])?;
    }
    appender.flush()
}

/// Whether DuckDB objects to values, and not to the state of the world.
fn is_content(text: &str) -> bool {
    const SIGNS: [&str; 4] =
        ["Conversion Error", "Invalid Input Error", "Out of Range Error", "constraint failed"];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// The rows that DuckDB refuses, found by halving. Nothing is written.
fn refused(
    database: &Database,
    table: &str,
    rows: &RecordBatch,
) -> Result<Vec<usize>, WarehouseError> {
    let mut refused = Vec::new();
    let mut suspects = vec![(0, rows.num_rows())];
    while let Some((from, length)) = suspects.pop() {
        let slice = rows.slice(from, length);
        let tried = database.with(|connection| {
            connection.execute_batch("BEGIN TRANSACTION")?;
            let appended = append(connection, table, &slice);
            let undone = connection.execute_batch("ROLLBACK");
            appended.and(undone)
        });
        match tried {
            Ok(()) => {}
            Err(WarehouseError::Unavailable(cause)) if is_content(&cause.to_string()) => {
                if length == 1 {
                    refused.push(from);
                } else {
                    let half = length / 2;
                    suspects.push((from + half, length - half));
                    suspects.push((from, half));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}
