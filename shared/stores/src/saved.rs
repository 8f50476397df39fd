//! Questions that are asked often: SELECTs under `sql/` with typed parameters, answered by every
//! warehouse in its own text. The page and `questline query --saved` ask the same ones.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use questline_events::time;

use crate::warehouse::{Answer, QueryError, QueryLimits};

/// Rows of an answer that is asked for without `most`.
const MOST: i64 = 100;
/// Rows that `most` may ask for.
const MOST_ROWS: i64 = 1_000;
/// What a question looks at where nothing is said: a day.
const RANGE_MICROS: i64 = 86_400 * 1_000_000;
/// The longest range of a question: as long as events are kept.
const RANGE_MAX_MICROS: i64 = 366 * 86_400 * 1_000_000;
/// Days that an accepted event may be late.
const LATE_DAYS: i64 = 365;
/// Unicode scalars of a text that is filtered by: no column holds a longer one that is looked for.
const TEXT_SCALARS: usize = 256;

macro_rules! saved {
    ($($name:literal),+ $(,)?) => {
        &[$(Saved {
            name: $name,
            bigquery: include_str!(concat!("../../../sql/", $name, ".sql")),
            duckdb: include_str!(concat!("../../../sql/", $name, ".duckdb.sql")),
        }),+]
    };
}

/// All of them.
pub const ALL: &[Saved] = saved![
    "events/cells",
    "events/recent",
    "events_1min/by_type",
    "events_dlq/by_reason",
    "events_dlq/samples",
    "ledger/apps",
    "ledger_minutes/by_bucket",
    "ledger_residue/by_bucket",
    "level_metrics/levels",
    "pipeline_runs/steps",
    "quality_results/broken",
    "revenue_daily_metrics/days",
    "user_daily_metrics/days",
];

/// A SELECT under `sql/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Its place under `sql/`, which is its name.
    pub name: &'static str,
    /// BigQuery's text, with parameters by name: the source.
    pub bigquery: &'static str,
    /// DuckDB's text, with parameters by number, as it is derived.
    pub duckdb: &'static str,
}

/// What a parameter is given. Absent texts and numbers are NULL, which means any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A text.
    Text(Option<String>),
    /// A whole number.
    Integer(Option<i64>),
    /// Microseconds since 1970.
    Moment(i64),
}

/// A question with what is asked of it: every parameter, in the order of DuckDB's numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Its name.
    pub name: &'static str,
    /// BigQuery's text.
    pub bigquery: &'static str,
    /// DuckDB's text.
    pub duckdb: &'static str,
    /// Parameters and their values.
    pub values: Vec<(&'static str, Value)>,
}

/// Why a question cannot be asked, for whoever asks.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Nothing is saved under that name.
    #[error("no question is called `{0}`; there are {names}", names = Names)]
    Unknown(String),
    /// It has no such parameter.
    #[error("`{name}` has no parameter `{parameter}`; it has {}", .known.join(", "))]
    NoParameter {
        /// The question.
        name: &'static str,
        /// What was given.
        parameter: String,
        /// What could be given.
        known: Vec<&'static str>,
    },
    /// A value has another form.
    #[error("`{parameter}` is to be {form}")]
    Form {
        /// The parameter.
        parameter: &'static str,
        /// What it is to be.
        form: String,
    },
}

impl Question {
    /// A moment that it is asked with.
    #[must_use]
    pub fn moment(&self, parameter: &str) -> Option<i64> {
        self.values.iter().find_map(|(name, value)| match value {
            Value::Moment(micros) if *name == parameter => Some(*micros),
            _ => None,
        })
    }

    /// Looks no further back than a moment.
    pub fn since(&mut self, micros: i64) {
        for (name, value) in &mut self.values {
            if *name == "from_time" {
                *value = Value::Moment(micros);
            }
        }
    }
}

struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = ALL.iter().map(|saved| saved.name).collect();
        f.write_str(&names.join(", "))
    }
}

impl Saved {
    /// What people call a question.
    ///
    /// # Errors
    /// If nothing is saved under that name.
    pub fn named(name: &str) -> Result<&'static Self, Unusable> {
        ALL.iter()
            .find(|saved| saved.name == name)
            .ok_or_else(|| Unusable::Unknown(name.to_owned()))
    }

    /// Its parameters in the order of DuckDB's numbers, as the head of the derived text has them.
    #[must_use]
    pub fn parameters(&self) -> Vec<&'static str> {
        let head = self.duckdb.lines().find_map(|line| line.strip_prefix("-- $1 "));
        let named = head.into_iter().flat_map(|head| head.split(", "));
        // Every one but the first still has its number before it.
        named.filter_map(|parameter| parameter.split(' ').next_back()).collect()
    }

    /// What can be given: `user_base64` is made from `user_id`.
    fn given(&self) -> Vec<&'static str> {
        self.parameters().into_iter().filter(|name| *name != USER_BASE64).collect()
    }

    /// The question at a moment, with what was given by name.
    ///
    /// # Errors
    /// If something else was given than it takes.
    pub fn ask<'g>(
        &self,
        given: impl IntoIterator<Item = (&'g str, &'g str)>,
        now: i64,
    ) -> Result<Question, Unusable> {
        let mut texts = Vec::<(&'static str, &str)>::new();
        for (name, text) in given {
            let known = self.given();
            match known.iter().find(|known| **known == name) {
                Some(known) if !text.is_empty() => texts.push((known, text)),
                Some(_) => {}
                None => {
                    let parameter = name.to_owned();
                    return Err(Unusable::NoParameter { name: self.name, parameter, known });
                }
            }
        }
        let text = |name: &str| texts.iter().rev().find(|(n, _)| *n == name).map(|(_, text)| *text);
        let values = self.parameters().into_iter();
        let values = values.map(|name| Ok((name, value(name, &text, now)?)));
        let values = values.collect::<Result<Vec<_>, Unusable>>()?;
        let Self { name, bigquery, duckdb } = *self;
        Ok(Question { name, bigquery, duckdb, values })
    }
}

const USER_BASE64: &str = "user_base64";

/// A parameter's name is its type: it means the same in every question.
fn value<'g>(
    name: &'static str,
    text: &impl Fn(&str) -> Option<&'g str>,
    now: i64,
) -> Result<Value, Unusable> {
    let to = || moment("to_time", text, now);
    match name {
        "to_time" => Ok(Value::Moment(to()?)),
        "from_time" => {
            let (to, form) = (to()?, "before to_time, and within a year of it".to_owned());
            let from = moment("from_time", text, to - RANGE_MICROS)?;
            let fits = from < to && to - from <= RANGE_MAX_MICROS;
            fits.then_some(Value::Moment(from)).ok_or(Unusable::Form { parameter: name, form })
        }
        "most" => {
            let most = integer(name, text(name), 1..=MOST_ROWS)?;
            Ok(Value::Integer(Some(most.unwrap_or(MOST))))
        }
        "bucket_seconds" => {
            let seconds = integer(name, text(name), 60..=86_400 * 366)?;
            Ok(Value::Integer(Some(seconds.unwrap_or(60))))
        }
        "late_days" => Ok(Value::Integer(integer(name, text(name), 1..=LATE_DAYS)?)),
        "event_type" => Ok(Value::Integer(integer(name, text(name), i64::MIN..=i64::MAX)?)),
        USER_BASE64 => Ok(Value::Text(text("user_id").map(|user| BASE64_STANDARD.encode(user)))),
        _ => match text(name) {
            Some(long) if long.chars().count() > TEXT_SCALARS => {
                let form = format!("at most {TEXT_SCALARS} characters");
                Err(Unusable::Form { parameter: name, form })
            }
            found => Ok(Value::Text(found.map(str::to_owned))),
        },
    }
}

fn moment<'g>(
    parameter: &'static str,
    text: &impl Fn(&str) -> Option<&'g str>,
    default: i64,
) -> Result<i64, Unusable> {
    let form = || "a moment, 2026-11-23T12:00:00Z".to_owned();
    text(parameter).map_or(Ok(default), |text| {
        time::parse(text).ok_or_else(|| Unusable::Form { parameter, form: form() })
    })
}

fn integer(
    parameter: &'static str,
    text: Option<&str>,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Option<i64>, Unusable> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse().ok().filter(|number| range.contains(number));
    let form = || format!("a whole number from {} to {}", range.start(), range.end());
    number.map(Some).ok_or_else(|| Unusable::Form { parameter, form: form() })
}

/// A warehouse as the page sees it.
#[async_trait]
pub trait Ask: Send + Sync {
    /// Between two looks of whoever is shown what comes: an event is seen within 2 s of its sending, of
    /// which a row takes one.
    fn pause(&self) -> Duration {
        Duration::from_millis(700)
    }

    /// Whether questions slow down who writes, as on one machine they do.
    fn slows(&self) -> bool {
        true
    }

    /// Answers a question, without side effects.
    async fn ask(&self, question: &Question, limits: QueryLimits) -> Result<Answer, QueryError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_435_200_000_000;

    #[test]
    fn every_question_names_all_its_parameters() {
        for saved in ALL {
            let numbered = saved.parameters();
            for (at, name) in numbered.iter().enumerate() {
                assert!(saved.bigquery.contains(&format!("@{name}")), "{}: {name}", saved.name);
                assert!(saved.duckdb.contains(&format!("${}", at + 1)), "{}: {name}", saved.name);
            }
            let beyond = format!("${}", numbered.len() + 1);
            assert!(!saved.duckdb.contains(&beyond), "{}", saved.name);
            assert_eq!(saved.ask([], NOW).unwrap().values.len(), numbered.len());
        }
    }

    #[test]
    fn what_is_not_said_is_any_and_the_last_day() {
        let recent = Saved::named("events/recent").unwrap();
        let asked = recent.ask([("user_id", "ü"), ("verdict", "")], NOW).unwrap();
        let value = |name| asked.values.iter().find(|(n, _)| *n == name).unwrap().1.clone();
        assert_eq!(value("to_time"), Value::Moment(NOW));
        assert_eq!(value("from_time"), Value::Moment(NOW - RANGE_MICROS));
        assert_eq!(value("user_base64"), Value::Text(Some("w7w=".to_owned())));
        assert_eq!(value("verdict"), Value::Text(None));
        assert_eq!(value("event_type"), Value::Integer(None));
        assert_eq!(value("late_days"), Value::Integer(None));
        assert_eq!(value("most"), Value::Integer(Some(MOST)));
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        let long = "x".repeat(TEXT_SCALARS + 1);
        let recent = Saved::named("events/recent").unwrap();
        for (name, text, said) in [
            ("from_time", "yesterday", "`from_time` is to be a moment"),
            ("from_time", "2126-11-23T12:00:00Z", "`from_time` is to be before to_time"),
            ("from_time", "1970-01-01T00:00:00Z", "within a year"),
            ("most", "1000000000", "from 1 to 1000"),
            ("event_type", "level_start", "a whole number"),
            ("late_days", "366", "from 1 to 365"),
            ("user_id", long.as_str(), "at most 256 characters"),
            ("drop", "x", "has no parameter `drop`; it has"),
        ] {
            let error = recent.ask([(name, text)], NOW).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let error = Saved::named("nothing").unwrap_err().to_string();
        assert!(error.contains("there are events/cells, "), "{error}");
    }
}
