//! Rows as the Storage Write API takes them: Arrow's messages, the schema's once, then each batch's.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Schema};
use google_cloud_bigquery::model::{ArrowRecordBatch, ArrowSchema};

/// A schema's message.
pub(crate) fn schema(schema: &Schema) -> Result<ArrowSchema, ArrowError> {
    Ok(ArrowSchema::new().set_serialized_schema(message(schema, None)?))
}

/// A batch's message.
pub(crate) fn rows(rows: &RecordBatch) -> Result<ArrowRecordBatch, ArrowError> {
    let head = message(rows.schema_ref(), None)?.len();
    let all = message(rows.schema_ref(), Some(rows))?;
    Ok(ArrowRecordBatch::new().set_serialized_record_batch(all[head..].to_vec()))
}

/// A stream of messages without its end.
fn message(schema: &Schema, rows: Option<&RecordBatch>) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, schema)?;
    if let Some(rows) = rows {
        writer.write(rows)?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

/// What BigQuery calls the types that may hold a column.
pub(crate) fn names(column: &DataType) -> &'static [&'static str] {
    match column {
        DataType::Utf8 => &["STRING", "JSON"],
        DataType::Binary => &["BYTES"],
        DataType::Int64 => &["INTEGER", "INT64"],
        DataType::Float64 => &["FLOAT", "FLOAT64"],
        DataType::Boolean => &["BOOLEAN", "BOOL"],
        DataType::Date32 => &["DATE"],
        DataType::Timestamp(..) => &["TIMESTAMP"],
        DataType::Decimal128(..) => &["NUMERIC"],
        DataType::List(_) => &["STRING"],
        _ => &[],
    }
}
