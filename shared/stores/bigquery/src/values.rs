//! Values of statements.

use std::fmt::Display;

use google_cloud_bigquery_v2::model::{QueryParameter, QueryParameterType, QueryParameterValue};
use questline_events::time;

/// A value as BigQuery takes it: a text beside its type; none is NULL.
#[derive(Debug, Clone)]
pub(crate) struct Bound(&'static str, Option<String>);

pub(crate) fn text<'t>(text: impl Into<Option<&'t str>>) -> Bound {
    Bound("STRING", text.into().map(str::to_owned))
}

pub(crate) fn integer(number: impl Into<Option<i64>>) -> Bound {
    Bound("INT64", number.into().map(|number| number.to_string()))
}

/// Microseconds since 1970.
pub(crate) fn moment(micros: impl Into<Option<i64>>) -> Bound {
    Bound("TIMESTAMP", micros.into().map(time::text))
}

/// A day, as 2026-11-22.
pub(crate) fn date(day: impl Display) -> Bound {
    Bound("DATE", Some(day.to_string()))
}

pub(crate) fn flag(flag: bool) -> Bound {
    Bound("BOOL", Some(flag.to_string()))
}

/// A text that is JSON.
pub(crate) fn json(text: Option<String>) -> Bound {
    Bound("JSON", text)
}

impl Bound {
    /// How a statement names it.
    pub(crate) fn written(&self, name: &str) -> String {
        match self.0 {
            // A number that no column can hold is rounded, not refused.
            "JSON" => format!("PARSE_JSON(@{name}, wide_number_mode => 'round')"),
            _ => format!("@{name}"),
        }
    }

    pub(crate) fn named(self, name: &str) -> QueryParameter {
        let kind = if self.0 == "JSON" { "STRING" } else { self.0 };
        let mut value = QueryParameterValue::new();
        value.value = self.1;
        QueryParameter::new()
            .set_name(name)
            .set_parameter_type(QueryParameterType::new().set_type(kind))
            .set_parameter_value(value)
    }
}
