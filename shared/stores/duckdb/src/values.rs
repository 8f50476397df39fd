//! Values of statements, and of their rows.

use duckdb::{
    Row,
    types::{TimeUnit, Value, ValueRef},
};
use questline_events::Day;

/// A moment, microseconds since 1970, as a parameter.
pub(crate) const fn moment(micros: i64) -> Value {
    Value::Timestamp(TimeUnit::Microsecond, micros)
}

/// A day, as a parameter.
pub(crate) const fn date(day: Day) -> Value {
    Value::Date32(day.number())
}

/// A moment of a row; `None` where it is NULL.
pub(crate) fn moment_at(row: &Row<'_>, at: usize) -> duckdb::Result<Option<i64>> {
    match row.get_ref(at)? {
        ValueRef::Null => Ok(None),
        ValueRef::Timestamp(unit, value) => Ok(Some(unit.to_micros(value))),
        other => Err(duckdb::Error::InvalidColumnType(at, String::new(), other.data_type())),
    }
}

/// A day of a row.
pub(crate) fn day_at(row: &Row<'_>, at: usize) -> duckdb::Result<Day> {
    match row.get_ref(at)? {
        ValueRef::Date32(days) => Ok(Day::from_number(days)),
        other => Err(duckdb::Error::InvalidColumnType(at, String::new(), other.data_type())),
    }
}

/// Named values in the order that the head of a derived text tells: `-- $1 date, $2 app_id`.
pub(crate) fn numbered(text: &str, values: &[(&str, Value)]) -> duckdb::Result<Vec<Value>> {
    let head = text.lines().find_map(|line| line.strip_prefix("-- $1 ")).unwrap_or_default();
    let names = head.split(", ").filter_map(|name| name.split(' ').next_back());
    names
        .filter(|name| !name.is_empty())
        .map(|name| {
            let value = values.iter().find(|(known, _)| *known == name);
            value
                .map(|(_, value)| value.clone())
                .ok_or_else(|| duckdb::Error::InvalidParameterName(name.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_as_the_head_says() {
        let values = [("date", Value::Int(1)), ("app_id", Value::Int(2))];
        let text = "-- Derived.\n-- $1 app_id, $2 date\nSELECT $1";
        assert_eq!(numbered(text, &values).unwrap(), [Value::Int(2), Value::Int(1)]);
        assert_eq!(numbered("-- $1 date\n", &values).unwrap(), [Value::Int(1)]);
        assert_eq!(numbered("SELECT 1", &values).unwrap(), []);
        numbered("-- $1 other\n", &values).unwrap_err();
    }
}
