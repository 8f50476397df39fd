//! What is asked of one replay, as JSON.

use std::{ops::Range, path::PathBuf};

use questline_events::{Day, limits::REPLAY_WINDOW, time};
use questline_stores::Topic;
use serde::Deserialize;

/// Which records.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Written to the log at this moment or later: RFC 3339.
    pub from: String,
    /// Written before this moment.
    pub to: String,
    /// Where the archive of the raw topic was copied to; the log itself where none is named.
    #[serde(default)]
    pub archive: Option<PathBuf>,
}

/// Why a request cannot be carried out, for whoever wrote it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub(crate) String);

impl Request {
    /// The range in milliseconds since 1970, if it can be replayed at a moment (microseconds).
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn range(&self, now: i64) -> Result<Range<i64>, Unusable> {
        let moment = |name: &str, text: &str| {
            let micros = time::parse(text).ok_or_else(|| {
                Unusable(format!("`{name}` is to be a moment, 2026-11-23T12:00:00Z"))
            })?;
            Ok(micros)
        };
        let (from, to) = (moment("from", &self.from)?, moment("to", &self.to)?);
        if from >= to {
            return Err(Unusable("`from` is to be before `to`".to_owned()));
        }
        let open = Day::of(now).start();
        if to > open {
            // Its minutes are sums that live traffic adds to; a closed day's are counted anew.
            let open = time::text(open);
            return Err(Unusable(format!(
                "the open day cannot be replayed: `to` is {open} at most"
            )));
        }
        // Copies are told by what came shortly before them.
        let kept = Topic::Raw.retention().saturating_sub(REPLAY_WINDOW).as_micros();
        let oldest = now - i64::try_from(kept).unwrap_or(i64::MAX);
        if self.archive.is_none() && from < oldest {
            let oldest = time::text(oldest);
            return Err(Unusable(format!(
                "the log does not keep enough before {oldest}: name a copy of the archive"
            )));
        }
        Ok(ceil_ms(from)..ceil_ms(to))
    }
}

/// The log tells milliseconds: the first that is not before a moment.
const fn ceil_ms(micros: i64) -> i64 {
    -(-micros).div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-26T12:00:00Z";

    fn range(from: &str, to: &str, archive: bool) -> Result<Range<i64>, String> {
        let archive = archive.then(PathBuf::new);
        let request = Request { from: from.to_owned(), to: to.to_owned(), archive };
        request.range(time::parse(NOW).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_replayed_is_named() {
        for (from, to, named) in [
            ("yesterday", "2026-11-25T01:00:00Z", "`from`"),
            ("2026-11-25T00:00:00Z", "", "`to`"),
            ("2026-11-25T01:00:00Z", "2026-11-25T01:00:00Z", "before"),
            ("2026-11-25T01:00:00Z", "2026-11-26T00:00:00.000001Z", "2026-11-26T00:00:00"),
            ("2026-11-19T12:29:59Z", "2026-11-25T01:00:00Z", "archive"),
        ] {
            let said = range(from, to, false).unwrap_err();
            assert!(said.contains(named), "{said}");
        }
        range("2026-11-19T12:30:00Z", "2026-11-26T00:00:00Z", false).unwrap();
        range("2026-01-01T00:00:00Z", "2026-11-26T00:00:00Z", true).unwrap();
    }

    #[test]
    fn a_moment_between_two_milliseconds_begins_with_the_later() {
        let found = range("2026-11-25T00:00:00.0001Z", "2026-11-25T00:00:00.001Z", false).unwrap();
        assert_eq!(found.end - found.start, 0);
        let found = range("2026-11-25T00:00:00Z", "2026-11-25T00:00:00.0001Z", false).unwrap();
        assert_eq!(found.end - found.start, 1);
    }
}
