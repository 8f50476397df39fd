//! Days of the calendar, UTC.

use std::{fmt, str::FromStr};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::time::{self, DAY};

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(i32);

/// A text that is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day is written 2026-11-22")]
pub struct NoDay;

impl Day {
    /// The day of a moment.
    #[must_use]
    pub fn of(micros: i64) -> Self {
        Self(time::day(micros))
    }

    /// The day that lies so many days after 1970-01-01.
    #[must_use]
    pub const fn from_number(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Its first microsecond.
    #[must_use]
    pub fn start(self) -> i64 {
        i64::from(self.0) * DAY
    }

    /// The first microsecond after it.
    #[must_use]
    pub fn end(self) -> i64 {
        self.start() + DAY
    }

    /// The day so many days later, or earlier.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Day of the week, Monday 0.
    #[must_use]
    pub fn weekday(self) -> i64 {
        time::weekday(self.start())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = time::written(self.start());
        f.write_str(std::str::from_utf8(&text[..time::DATE]).unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| NoDay)?;
        let moment = date.and_hms_opt(0, 0, 0).ok_or(NoDay)?.and_utc().timestamp_micros();
        let day = Self::of(moment);
        // One way to write a day: 2026-1-2 is none.
        if day.to_string() == text { Ok(day) } else { Err(NoDay) }
    }
}

impl TryFrom<String> for Day {
    type Error = NoDay;

    fn try_from(text: String) -> Result<Self, NoDay> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_in_one_way() {
        for text in ["2026-11-22", "2024-02-29", "1970-01-01", "1969-12-31"] {
            assert_eq!(text.parse::<Day>().unwrap().to_string(), text);
        }
        for text in ["2026-1-2", "2025-02-29", "yesterday", "", "2026-11-22 ", "+2026-11-22"] {
            assert_eq!(text.parse::<Day>(), Err(NoDay), "{text}");
        }
    }

    #[test]
    fn the_calendar_goes_on() {
        let leap: Day = "2024-02-29".parse().unwrap();
        assert_eq!((leap.plus(1).to_string(), leap.weekday()), ("2024-03-01".to_owned(), 3));
        assert_eq!(Day::of(leap.end()), leap.plus(1));
        assert_eq!(Day::of(leap.end() - 1), leap);
        assert_eq!(serde_json::to_string(&leap).unwrap(), r#""2024-02-29""#);
    }
}
