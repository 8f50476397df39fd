//! Rows put aside, and put in the place of others: tables of their own in the same file, so that the
//! last step is one transaction.

use arrow_array::RecordBatch;
use async_trait::async_trait;
use duckdb::{Connection, ToSql, params};
use questline_events::row::{EventRows, LedgerRows, LetterRows};
use questline_stores::{
    replay::{Known, Replace, Replaced, Run, Span, parameter},
    warehouse::WarehouseError,
};

use crate::{
    DuckdbWarehouse,
    database::Database,
    values::{date, day_at, moment},
    write::{append_all, transaction},
};

/// Tables that have source positions, and one that is only added to; each with its definition.
const STAGED: [(&str, &str); 3] = [
    (EventRows::TABLE, include_str!("../../../../sql/events/duckdb.sql")),
    (LetterRows::TABLE, include_str!("../../../../sql/events_dlq/duckdb.sql")),
    (LedgerRows::TABLE, include_str!("../../../../sql/ledger/duckdb.sql")),
];
const POSITIONED: usize = 2;

/// Before a table's name: rows of it that are put aside.
const ASIDE: &str = "staged_";

#[async_trait]
impl Replace for DuckdbWarehouse {
    async fn begin(&self, _run: &Run, _spans: &[Span]) -> Result<(), WarehouseError> {
        self.look(begin).await
    }

    async fn known(&self, run: &Run, spans: &[Span]) -> Result<Vec<Known>, WarehouseError> {
        let (log_id, spans) = (run.log_id.clone(), spans.to_vec());
        self.look(move |database| known(database, &log_id, &spans)).await
    }

    async fn stage(
        &self,
        _run: &Run,
        tables: Vec<(&'static str, RecordBatch)>,
    ) -> Result<(), WarehouseError> {
        self.look(move |database| {
            let tables: Vec<_> =
                tables.into_iter().map(|(table, rows)| (aside(table), rows)).collect();
            append_all(database, &aside(EventRows::TABLE), &tables)
        })
        .await
    }

    async fn replace(
        &self,
        run: &Run,
        spans: &[Span],
        now: i64,
    ) -> Result<Replaced, WarehouseError> {
        let (log_id, spans) = (run.log_id.clone(), spans.to_vec());
        self.look(move |database| replace(database, &log_id, &spans, now)).await
    }
}

fn aside(table: &str) -> String {
    format!("{ASIDE}{table}")
}

fn begin(database: &Database) -> Result<(), WarehouseError> {
    database.with(|connection| {
        transaction(connection, || {
            drop_all(connection)?;
            STAGED.iter().try_for_each(|(table, definition)| {
                let name = format!("EXISTS {table} (");
                let definition = definition.replace(&name, &format!("EXISTS {} (", aside(table)));
                connection.execute_batch(&definition)
            })
        })
    })
}

fn drop_all(connection: &Connection) -> duckdb::Result<()> {
    STAGED.iter().try_for_each(|(table, _)| {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", aside(table)))
    })
}

/// Spans, a parameter, as rows of a statement; none where there are none.
const SPANS: &str = "(SELECT TRY_CAST(str_split(part, ':')[1] AS BIGINT) AS partition,
        TRY_CAST(str_split(part, ':')[2] AS BIGINT) AS first_offset,
        TRY_CAST(str_split(part, ':')[3] AS BIGINT) AS next_offset
    FROM unnest(str_split($2, ',')) AS parts (part)) AS spans";

/// What holds of the rows of a log's spans.
const INSIDE: &str = "source_log = $1 AND source_partition = spans.partition
    AND source_offset >= spans.first_offset AND source_offset < spans.next_offset";

/// A row of the table stands where a row that is put aside does.
const SAME: &str = "source_log = staged.source_log
    AND source_partition = staged.source_partition AND source_offset = staged.source_offset";

fn known(database: &Database, log_id: &str, spans: &[Span]) -> Result<Vec<Known>, WarehouseError> {
    let sql = format!(
        "SELECT source_partition, source_offset, bool_or(event), bool_or(counted) FROM (
             SELECT source_partition, source_offset, true AS event, counted
             FROM events, {SPANS} WHERE {INSIDE}
             UNION ALL
             SELECT source_partition, source_offset, false, false
             FROM events_dlq, {SPANS} WHERE {INSIDE}
         ) GROUP BY ALL"
    );
    database.with(|connection| {
        let row = |row: &duckdb::Row<'_>| {
            let (partition, offset) = (row.get(0)?, row.get(1)?);
            Ok(Known { partition, offset, event: row.get(2)?, counted: row.get(3)? })
        };
        connection.prepare(&sql)?.query_map(params![log_id, parameter(spans)], row)?.collect()
    })
}

/// What has no row and is an event of which an earlier one stands on its partition was a copy,
/// however long before that was: a batch that spans hours finds it, and a window does not.
fn replace(
    database: &Database,
    log_id: &str,
    spans: &[Span],
    now: i64,
) -> Result<Replaced, WarehouseError> {
    let spans = parameter(spans);
    let days = format!(
        "SELECT event_date FROM events, {SPANS} WHERE {INSIDE}
         UNION SELECT CAST(received_at AS DATE) FROM events, {SPANS} WHERE {INSIDE}
         UNION SELECT CAST(received_at AS DATE) FROM events_dlq, {SPANS} WHERE {INSIDE}
         UNION SELECT event_date FROM staged_events
         UNION SELECT CAST(received_at AS DATE) FROM staged_events
         UNION SELECT CAST(received_at AS DATE) FROM staged_events_dlq
         ORDER BY 1"
    );
    database.with(|connection| {
        transaction(connection, || {
            let mut replaced = Replaced::default();
            let mut touched = connection.prepare(&days)?;
            let touched = touched.query_map(params![log_id, spans], |row| day_at(row, 0))?;
            replaced.days = touched.collect::<duckdb::Result<_>>()?;
            let copies = format!(
                "DELETE FROM staged_events AS staged
                 WHERE NOT EXISTS (FROM events WHERE {SAME}) AND NOT EXISTS (FROM events_dlq WHERE {SAME})
                 AND EXISTS (
                     FROM events WHERE source_log = staged.source_log
                     AND source_partition = staged.source_partition
                     AND source_offset < staged.source_offset
                     AND app_id = staged.app_id AND event_id = staged.event_id)"
            );
            connection.execute_batch(&copies)?;
            for (table, _) in &STAGED[..POSITIONED] {
                let delete = format!("DELETE FROM {table} USING {SPANS} WHERE {INSIDE}");
                replaced.before += connection.execute(&delete, params![log_id, spans])? as u64;
            }
            for (place, (table, _)) in STAGED.iter().enumerate() {
                let insert = format!("INSERT INTO {table} FROM {}", aside(table));
                let rows = connection.execute(&insert, [])? as u64;
                replaced.after += if place < POSITIONED { rows } else { 0 };
            }
            let mut touch =
                connection.prepare("INSERT INTO touched_days VALUES (?, 'replay', ?)")?;
            for day in &replaced.days {
                let values: [&dyn ToSql; 2] = [&date(*day), &moment(now)];
                touch.execute(values)?;
            }
            drop_all(connection)?;
            Ok(replaced)
        })
    })
}
