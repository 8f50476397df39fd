//! Columns of Arrow while they grow: one kind for each kind of column that `row` has.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    builder::{
        BinaryBuilder, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder,
        ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
    },
};
use arrow_schema::{DataType, TimeUnit};

use crate::metrics::PRICE_SCALE;

/// The type of a column's values.
macro_rules! data_type {
    (Text) => {
        DataType::Utf8
    };
    (Runs) => {
        DataType::Utf8
    };
    (Json) => {
        DataType::Utf8
    };
    (Bytes) => {
        DataType::Binary
    };
    (Int) => {
        DataType::Int64
    };
    (Real) => {
        DataType::Float64
    };
    (Bool) => {
        DataType::Boolean
    };
    (Date) => {
        DataType::Date32
    };
    (Moment) => {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    };
    (Money) => {
        DataType::Decimal128(38, PRICE_SCALE.cast_signed() as i8)
    };
    (Texts) => {
        DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))
    };
}

/// A column while it grows.
pub(crate) trait Column {
    fn with_capacity(rows: usize) -> Self;
    fn finish(&mut self) -> ArrayRef;
}

/// A guess at the bytes of a text, so that buffers seldom grow.
const TEXT_BYTES: usize = 64;
/// The same for a text that seldom is there, or short.
const RUN_BYTES: usize = 32;

macro_rules! column {
    ($type:ty, $rows:ident => $new:expr, $column:ident => $finish:expr) => {
        impl Column for $type {
            fn with_capacity($rows: usize) -> Self {
                $new
            }

            fn finish(&mut self) -> ArrayRef {
                let $column = self;
                Arc::new($finish)
            }
        }
    };
}

/// Integers, none of them absent.
#[derive(Debug, Default)]
pub(crate) struct Ints(pub(crate) Vec<i64>);

/// Moments in microseconds since 1970, none of them absent.
#[derive(Debug, Default)]
pub(crate) struct Moments(pub(crate) Vec<i64>);

/// Days since 1970, none of them absent.
#[derive(Debug, Default)]
pub(crate) struct Dates(pub(crate) Vec<i32>);

/// Texts that seldom change from row to row: records of a request follow each other.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    texts: StringBuilder,
    /// The running value, if it is one, and its rows so far.
    last: String,
    is_null: bool,
    rows: usize,
}

impl Runs {
    pub(crate) fn push(&mut self, text: Option<&str>) {
        let same = if self.is_null { text.is_none() } else { text == Some(&self.last) };
        if !same || self.rows == 0 {
            self.settle();
            self.last.clear();
            self.last.push_str(text.unwrap_or_default());
            self.is_null = text.is_none();
        }
        self.rows += 1;
    }

    fn settle(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        if self.is_null {
            self.texts.append_nulls(rows);
        } else {
            self.texts.append_value_n(&self.last, rows);
        }
    }

    fn finish(&mut self) -> StringArray {
        self.settle();
        self.texts.finish()
    }
}

column!(Runs, rows => Self { texts: StringBuilder::with_capacity(rows, rows * RUN_BYTES), ..Self::default() },
    column => Self::finish(column));
column!(Ints, rows => Self(Vec::with_capacity(rows)),
    column => Int64Array::from(std::mem::take(&mut column.0)));
column!(Moments, rows => Self(Vec::with_capacity(rows)),
    column => TimestampMicrosecondArray::from(std::mem::take(&mut column.0)).with_timezone("UTC"));
column!(Dates, rows => Self(Vec::with_capacity(rows)),
    column => Date32Array::from(std::mem::take(&mut column.0)));
column!(StringBuilder, rows => Self::with_capacity(rows, rows * TEXT_BYTES),
    column => Self::finish(column));
column!(BinaryBuilder, rows => Self::with_capacity(rows, rows * TEXT_BYTES),
    column => Self::finish(column));
column!(Int64Builder, rows => Self::with_capacity(rows), column => Self::finish(column));
column!(Float64Builder, rows => Self::with_capacity(rows), column => Self::finish(column));
column!(BooleanBuilder, rows => Self::with_capacity(rows), column => Self::finish(column));
column!(TimestampMicrosecondBuilder,
    rows => Self::with_capacity(rows).with_data_type(data_type!(Moment)),
    column => Self::finish(column));
column!(Decimal128Builder,
    rows => Self::with_capacity(rows).with_data_type(data_type!(Money)),
    column => Self::finish(column));
column!(ListBuilder<StringBuilder>,
    rows => Self::with_capacity(StringBuilder::new(), rows),
    column => Self::finish(column));

/// What a column is while it grows.
macro_rules! column_type {
    (Text $null:literal) => { StringBuilder };
    (Runs $null:literal) => { Runs };
    (Json $null:literal) => { StringBuilder };
    (Bytes $null:literal) => { BinaryBuilder };
    (Int "required") => { Ints };
    (Int "null") => { Int64Builder };
    (Real "null") => { Float64Builder };
    (Bool $null:literal) => { BooleanBuilder };
    (Date "required") => { Dates };
    (Moment "required") => { Moments };
    (Moment "null") => { TimestampMicrosecondBuilder };
    (Money "null") => { Decimal128Builder };
    (Texts "null") => { ListBuilder<StringBuilder> };
}

pub(crate) use column_type;
pub(crate) use data_type;
