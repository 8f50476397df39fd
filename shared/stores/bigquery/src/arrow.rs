//! Rows as the Storage Write API takes them: Arrow's messages, the schema's once, then each batch's.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Schema};
use google_cloud_bigquery::model::{ArrowRecordBatch, ArrowSchema};

/// A schema's message.
pub(crate) fn schema(schema: &Schema) -> Result<ArrowSchema, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    writer.flush()?;
    Ok(ArrowSchema::new().set_serialized_schema(writer.get_ref().clone()))
}

/// A batch's message.
pub(crate) fn rows(rows: &RecordBatch) -> Result<ArrowRecordBatch, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), rows.schema_ref())?;
    writer.flush()?;
    let head = writer.get_ref().len();
    writer.write(rows)?;
    writer.flush()?;
    let batch = writer.get_ref()[head..].to_vec();
    Ok(ArrowRecordBatch::new().set_serialized_record_batch(batch))
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
