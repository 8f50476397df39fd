//! Rows as the Storage Write API takes them: Arrow's messages, the schema's once, then each batch's.
//! And the rows of an answer, as a batch.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use google_cloud_bigquery::{
    error::RowError,
    model::{ArrowRecordBatch, ArrowSchema},
    query::{FromSql, Row},
};
use google_cloud_bigquery_v2::model::TableFieldSchema;
use questline_stores::Cause;

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

/// The rows of an answer whose columns are texts and numbers.
pub(crate) fn batch(fields: &[TableFieldSchema], rows: &[Row]) -> Result<RecordBatch, Cause> {
    let column = |(at, field): (usize, &TableFieldSchema)| -> Result<(Field, ArrayRef), Cause> {
        let array: ArrayRef = match &*field.r#type {
            "STRING" => Arc::new(StringArray::from(values::<String>(rows, at)?)),
            "INTEGER" | "INT64" => Arc::new(Int64Array::from(values(rows, at)?)),
            "FLOAT" | "FLOAT64" => Arc::new(Float64Array::from(values(rows, at)?)),
            other => return Err(format!("the column `{}` is {other}", field.name).into()),
        };
        Ok((Field::new(&field.name, array.data_type().clone(), true), array))
    };
    let columns = fields.iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn values<T: FromSql>(rows: &[Row], at: usize) -> Result<Vec<Option<T>>, RowError> {
    rows.iter().map(|row| row.get(at)).collect()
}
