//! Rows put aside, and put in the place of others: into tables of their own, which other replays
//! share, and then by one script that is one transaction.
//!
//! *What may be changed.* Rows that the Storage Write API has written, as all of ours, may be deleted
//! at once. Those of the older `insertAll` may not for half an hour, and rarely longer: whoever fills
//! `events` by it is told that rows are in the streaming buffer, and nothing was changed. What was
//! put aside is never changed: it is gone after some days, by its partitions, and so is what a killed
//! replay leaves. A script that nobody waits for any more may still be carried out, whole.
//!
//! *Who else is at work.* Live traffic adds rows meanwhile. Of two that delete rows of one table,
//! another replay or somebody's own statement, BigQuery cancels one, which then is to be tried again.
//!
//! *What it costs.* `events` is partitioned by the day of an event, and what came at one time may be
//! of any day: which days they were is looked for in all of it, in the few columns that tell.

use std::{iter, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use google_cloud_bigquery::query::Row;
use questline_events::{
    Day,
    limits::{APPEND_BYTES, REPLAY_STATEMENT, WAREHOUSE_STATEMENT},
    row::{EventRows, LedgerRows, LetterRows},
};
use questline_stores::{
    Cause,
    declared::bytes,
    replay::{Known, Replace, Replaced, Run, Span, parameter},
    warehouse::WarehouseError,
};

use crate::{
    BigqueryStreams, BigqueryWarehouse,
    values::{Bound, moment, text},
};

/// A table of which rows are put aside.
struct Staged {
    table: &'static str,
    aside: &'static str,
    schema: fn() -> SchemaRef,
    /// What of it takes its place in the table.
    rows: &'static str,
}

static STAGED: [Staged; 3] = [
    Staged {
        table: EventRows::TABLE,
        aside: "staged_events",
        schema: EventRows::schema,
        rows: include_str!("../../../../sql/staged_events/rows.sql"),
    },
    Staged {
        table: LetterRows::TABLE,
        aside: "staged_events_dlq",
        schema: LetterRows::schema,
        rows: include_str!("../../../../sql/staged_events_dlq/rows.sql"),
    },
    Staged {
        table: LedgerRows::TABLE,
        aside: "staged_ledger",
        schema: LedgerRows::schema,
        rows: include_str!("../../../../sql/staged_ledger/rows.sql"),
    },
];

/// Notes which rows stand at some offsets.
const FIND: &str = concat!(
    "INSERT INTO staged_positions (source_partition, source_offset, found, counted, event_date, \
     received_date, run, staged_at)\n",
    include_str!("../../../../sql/staged_positions/standing.sql")
);
const KNOWN: &str = include_str!("../../../../sql/staged_positions/known.sql");
const DAYS: &str = include_str!("../../../../sql/staged_positions/days.sql");
const CAME_TO: &str = include_str!("../../../../sql/staged_positions/came_to.sql");

/// What stands is looked for again, in the transaction: it may have changed since the replay began.
const BEGIN: &str = "DECLARE first_day DATE;\nDECLARE last_day DATE;\nBEGIN TRANSACTION;\n\
                     DELETE FROM staged_positions WHERE run = @run_id;\n";
/// Copies are told before anything is deleted, and then the rows are. Days are variables: only of
/// those that it knows before it reads does BigQuery leave the others out.
const DELETE: &str = concat!(
    "INSERT INTO staged_positions (source_partition, source_offset, found, counted, run, staged_at)\n",
    include_str!("../../../../sql/staged_positions/copies.sql"),
    "SET first_day = (SELECT MIN(event_date) FROM staged_positions WHERE run = @run_id);\n\
     SET last_day = (SELECT MAX(event_date) FROM staged_positions WHERE run = @run_id);\n\
     DELETE FROM events WHERE event_date BETWEEN first_day AND last_day\n\
     AND source_log = @log_id AND EXISTS (\n\
       SELECT 1 FROM staged_positions AS standing\n\
       WHERE standing.run = @run_id AND standing.found = 'event'\n\
       AND standing.source_partition = events.source_partition\n\
       AND standing.source_offset = events.source_offset);\n\
     DELETE FROM events_dlq WHERE source_log = @log_id AND EXISTS (\n\
       SELECT 1 FROM staged_positions AS standing\n\
       WHERE standing.run = @run_id AND standing.found = 'letter'\n\
       AND standing.source_partition = events_dlq.source_partition\n\
       AND standing.source_offset = events_dlq.source_offset);\n"
);

/// The script that replaces the rows of some offsets, whose answer is what it came to, for each day
/// that it changes. Columns are named: a later release may have added some.
fn replacement() -> String {
    let insert = |Staged { table, schema, rows, .. }: &Staged| {
        let schema = schema();
        let columns: Vec<_> =
            schema.fields().iter().map(|field| format!("`{}`", field.name())).collect();
        format!("INSERT INTO {table} ({})\n{rows}", columns.join(", "))
    };
    let inserts: String = STAGED.iter().map(insert).collect();
    let part = |text: &str| text.trim_end().trim_end_matches(';').to_owned();
    format!(
        "{BEGIN}{FIND}{DELETE}{inserts}INSERT INTO touched_days (event_date, reason, touched_at)\n\
         {DAYS}COMMIT TRANSACTION;\nSELECT event_date, rows_before, rows_after\n\
         FROM ({}) CROSS JOIN ({})\nORDER BY event_date;\n",
        part(DAYS),
        part(CAME_TO)
    )
}

/// Replay's side of a dataset.
pub struct BigqueryReplay {
    streams: BigqueryStreams,
}

impl BigqueryWarehouse {
    /// Replay's side of the warehouse, by what the environment says under the names of its
    /// variables.
    ///
    /// # Errors
    /// If there is no identity, or a table for rows that are put aside is not there or of another
    /// release.
    pub async fn replay(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<BigqueryReplay, WarehouseError> {
        let written =
            STAGED.each_ref().map(|staged| (staged.aside, schema_aside(&(staged.schema)())));
        Ok(BigqueryReplay { streams: self.writer(variable, &written).await? })
    }
}

/// The columns of rows that are put aside.
fn schema_aside(schema: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    fields.push(Arc::new(Field::new("run", DataType::Utf8, false)));
    fields.push(Arc::new(Field::new("staged_at", moment, false)));
    Arc::new(Schema::new(fields))
}

/// Rows as they are put aside.
fn rows_aside(rows: &RecordBatch, run: &Run) -> Result<RecordBatch, ArrowError> {
    let names = iter::repeat_n(&*run.name, rows.num_rows());
    let moments = iter::repeat_n(run.began_at, rows.num_rows());
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns.push(Arc::new(StringArray::from_iter_values(names)));
    let moments = TimestampMicrosecondArray::from_iter_values(moments).with_timezone("UTC");
    columns.push(Arc::new(moments));
    RecordBatch::try_new(schema_aside(rows.schema_ref()), columns)
}

/// Some offsets, as statements name them.
fn chosen(run: &Run, spans: &[Span]) -> [(&'static str, Bound); 4] {
    [
        ("run_id", text(&*run.name)),
        ("log_id", text(&*run.log_id)),
        ("began_at", moment(run.began_at)),
        ("ranges", text(&*parameter(spans))),
    ]
}

#[async_trait]
impl Replace for BigqueryReplay {
    async fn begin(&self, run: &Run, spans: &[Span]) -> Result<(), WarehouseError> {
        if spans.is_empty() {
            return Ok(());
        }
        self.streams.asked.run(FIND, chosen(run, spans), REPLAY_STATEMENT).await
    }

    async fn known(&self, run: &Run, spans: &[Span]) -> Result<Vec<Known>, WarehouseError> {
        if spans.is_empty() {
            return Ok(Vec::new());
        }
        let known = |row: &Row| {
            Ok::<_, Cause>(Known {
                partition: u32::try_from(row.get::<i64>("source_partition")?)?,
                offset: row.get("source_offset")?,
                event: row.get("event")?,
                counted: row.get("counted")?,
            })
        };
        let values = [("run_id", text(&*run.name)), ("ranges", text(&*parameter(spans)))];
        self.streams.asked.look(KNOWN, values, WAREHOUSE_STATEMENT, known).await
    }

    /// A write that is tried again may come twice: by its position, each row is taken once.
    async fn stage(
        &self,
        run: &Run,
        tables: Vec<(&'static str, RecordBatch)>,
    ) -> Result<(), WarehouseError> {
        for (table, rows) in &tables {
            let Some(staged) = STAGED.iter().find(|staged| staged.table == *table) else {
                let cause = format!("rows of `{table}` are not put aside");
                return Err(self.streams.asked.damaged(cause.into()));
            };
            let rows = rows_aside(rows, run);
            let rows = rows.map_err(|error| self.streams.asked.damaged(error.into()))?;
            self.put(staged, &rows).await?;
        }
        Ok(())
    }

    async fn replace(
        &self,
        run: &Run,
        spans: &[Span],
        now: i64,
    ) -> Result<Replaced, WarehouseError> {
        let mut replaced = Replaced::default();
        if spans.is_empty() {
            return Ok(replaced);
        }
        let day = |row: &Row| {
            let count = |name: &str| Ok::<_, Cause>(u64::try_from(row.get::<i64>(name)?)?);
            let day: Day = row.get::<String>("event_date")?.parse()?;
            Ok::<_, Cause>((day, count("rows_before")?, count("rows_after")?))
        };
        let values = chosen(run, spans).into_iter().chain([("now", moment(now))]);
        let days = self.streams.asked.look(&replacement(), values, REPLAY_STATEMENT, day).await?;
        for (day, before, after) in days {
            (replaced.before, replaced.after) = (before, after);
            replaced.days.push(day);
        }
        Ok(replaced)
    }
}

impl BigqueryReplay {
    /// Appends rows, in as many halves as an append may be large.
    async fn put(&self, staged: &Staged, rows: &RecordBatch) -> Result<(), WarehouseError> {
        let mut left = vec![(0, rows.num_rows())];
        while let Some((from, count)) = left.pop() {
            let some = rows.slice(from, count);
            if count > 1 && bytes(&some) > APPEND_BYTES {
                let half = count / 2;
                left.extend([(from + half, count - half), (from, half)]);
                continue;
            }
            if count == 0 {
                continue;
            }
            let events = staged.table == EventRows::TABLE;
            match self.streams.add_to(staged.aside, events, &some).await {
                Err(WarehouseError::Refused(places)) => {
                    let places = places.into_iter().map(|place| from + place).collect();
                    return Err(WarehouseError::Refused(places));
                }
                added => added?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows go by name into columns in the order in which a text gives them.
    #[test]
    fn columns_are_given_as_they_are_named() {
        for Staged { table, schema, rows, .. } in &STAGED {
            let given = rows.split_once("SELECT").unwrap().1.split_once("FROM").unwrap().0;
            let given: Vec<_> = given.split(',').map(str::trim).collect();
            let schema = schema();
            let named: Vec<_> = schema.fields().iter().map(|field| &**field.name()).collect();
            assert_eq!(given, named, "{table}");
        }
    }
}
