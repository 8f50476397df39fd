//! One SELECT of a person: bounded, and without side effects.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, cast::AsArray as _, types::TimestampMicrosecondType};
use arrow_json::{WriterBuilder, writer::JsonArray};
use arrow_schema::{Field, Schema};
use duckdb::{
    Connection, params_from_iter,
    types::{self, TimeUnit},
};
use questline_stores::{
    saved::Value,
    warehouse::{Answer, QueryError, QueryLimits},
};
use serde_json::{Map, Value as Json};

/// Answers `sql`, if it is exactly one SELECT.
pub(crate) fn run(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    limits: QueryLimits,
) -> Result<Answer, QueryError> {
    only_select(connection, sql)?;
    connection.execute_batch("BEGIN TRANSACTION READ ONLY").map_err(said)?;
    let answer = select(connection, sql, values, limits);
    // The connection is dropped after this; what cannot be rolled back was never written.
    _ = connection.execute_batch("ROLLBACK");
    answer
}

/// DuckDB's own parser writes a text down as JSON only if all its statements are SELECT.
fn only_select(connection: &Connection, sql: &str) -> Result<(), QueryError> {
    let parsed: String = connection
        .query_row("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", [sql], |row| row.get(0))
        .map_err(said)?;
    let parsed: Json = serde_json::from_str(&parsed)
        .map_err(|error| QueryError::Invalid(format!("the query cannot be read: {error}")))?;
    if parsed["error"] == true {
        let why = parsed["error_message"].as_str().unwrap_or_default();
        return Err(QueryError::Invalid(format!("only one SELECT is answered here: {why}")));
    }
    match parsed["statements"].as_array().map(Vec::len) {
        Some(1) => Ok(()),
        _ => Err(QueryError::Invalid("only one SELECT is answered here: send one".to_owned())),
    }
}

fn select(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    limits: QueryLimits,
) -> Result<Answer, QueryError> {
    let mut statement = connection.prepare(sql).map_err(said)?;
    let values = params_from_iter(values.iter().map(bound));
    let schema = statement.stream_arrow(values).map_err(said)?.get_schema();
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut answer = Answer { columns, rows: Vec::new() };
    // Step by step: the iterator of the stream would panic where a query fails on the way.
    while let Some(chunk) = statement.step().map_err(said)? {
        let batch = RecordBatch::from(&chunk);
        if answer.rows.len() + batch.num_rows() > limits.rows {
            return Err(QueryError::TooManyRows(limits.rows));
        }
        answer.rows.extend(json(&batch)?);
    }
    Ok(answer)
}

fn bound(value: &Value) -> types::Value {
    match value {
        Value::Text(text) => text.clone().map_or(types::Value::Null, types::Value::Text),
        Value::Integer(number) => number.map_or(types::Value::Null, types::Value::BigInt),
        Value::Moment(micros) => types::Value::Timestamp(TimeUnit::Microsecond, *micros),
    }
}

/// The rows of a batch as JSON values. Columns are numbered on the way: two may have one name.
fn json(batch: &RecordBatch) -> Result<Vec<Vec<Json>>, QueryError> {
    let unreadable = |error: &dyn std::error::Error| {
        QueryError::Invalid(format!("a column of the answer cannot be shown as JSON: {error}"))
    };
    let columns: Vec<ArrayRef> = batch.columns().iter().map(in_utc).collect();
    let field = |(at, column): (usize, &ArrayRef)| {
        Field::new(at.to_string(), column.data_type().clone(), true)
    };
    let numbered: Vec<Field> = columns.iter().enumerate().map(field).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(numbered)), columns)
        .map_err(|error| unreadable(&error))?;
    let mut writer =
        WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| unreadable(&error))?;
    let rows: Vec<Map<String, Json>> =
        serde_json::from_slice(&writer.into_inner()).map_err(|error| unreadable(&error))?;
    let columns = batch.num_columns();
    Ok(rows
        .into_iter()
        .map(|mut row| {
            let value = |at: usize| row.remove(&at.to_string()).unwrap_or_default();
            (0..columns).map(value).collect()
        })
        .collect())
}

/// Moments come in the session's zone, which is UTC; Arrow writes zones given as an offset only.
fn in_utc(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(moments) if moments.timezone().is_some() => {
            Arc::new(moments.clone().with_timezone("+00:00"))
        }
        _ => column.clone(),
    }
}

/// The rows of a batch as JSON objects. What cannot be shown is left out: they are samples.
pub(crate) fn objects(batch: &RecordBatch) -> Vec<Json> {
    let names: Vec<_> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    let object = |row: Vec<Json>| Json::Object(names.iter().cloned().zip(row).collect());
    json(batch).unwrap_or_default().into_iter().map(object).collect()
}

/// What DuckDB says is for the person who typed the query.
fn said(error: duckdb::Error) -> QueryError {
    QueryError::Invalid(error.to_string())
}
