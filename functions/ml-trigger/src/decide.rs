//! What is to be done, from what is known: no clock, no environment, no network.

use std::{collections::BTreeMap, fmt};

use chrono::Weekday;
use questline_events::{Day, limits::TRAINING_ATTEMPTS, version::fingerprint};
use questline_stores::{
    daily::{Manifest, MetricsReady, manifest_of},
    training::JobState,
};

/// The name of the pipeline, with which the names of its jobs begin.
pub const PIPELINE: &str = "difficulty-prediction-training";

/// When training is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// The closed day is one of these.
    pub weekday: Weekday,
    /// Days to train on, the closed one being the last.
    pub lookback_days: u32,
    /// Share of them whose features must be there.
    pub share: f64,
    /// Share of a day's events that may be missing in the ledger.
    pub residue: f64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { weekday: Weekday::Sun, lookback_days: 30, share: 0.8, residue: 0.0001 }
    }
}

impl Terms {
    /// The days to train on.
    pub(crate) fn days(&self, last: Day) -> impl Iterator<Item = Day> + use<> {
        let days = i32::try_from(self.lookback_days).unwrap_or(i32::MAX);
        (0..days).rev().map(move |back| last.plus(-back))
    }

    /// How many of them must be there.
    pub(crate) fn needed(&self) -> u32 {
        (1..=self.lookback_days)
            .find(|days| f64::from(*days) >= self.share * f64::from(self.lookback_days))
            .unwrap_or(self.lookback_days)
    }
}

/// The features of a day, as they lie there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DayFound {
    /// What their manifest says.
    pub(crate) manifest: Manifest,
    /// SHA-256 of the manifest.
    pub(crate) sha256: String,
}

/// A condition that is not met, for whoever asks why nothing was started.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unmet {
    /// A check of the day has failed.
    Checks,
    /// The ledger misses too much of a day.
    Residue(Day, f64),
    /// The message names no manifest that is there.
    Manifest(String),
    /// So many days are there, and so many are needed.
    Days(u32, u32),
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checks => f.write_str("a check of the day failed: see quality_results"),
            Self::Residue(day, share) => {
                write!(f, "the ledger misses {:.4} % of {day}: see ledger_residue", share * 100.0)
            }
            Self::Manifest(name) => write!(f, "the day's own features are not at {name}"),
            Self::Days(present, needed) => {
                write!(f, "features of {present} days are there, and {needed} are needed")
            }
        }
    }
}

/// The days that are fit to be trained on, and what stands against training.
pub(crate) fn judge(
    terms: &Terms,
    message: &MetricsReady,
    found: BTreeMap<Day, DayFound>,
) -> (BTreeMap<Day, DayFound>, Vec<Unmet>) {
    let mut unmet = Vec::new();
    if !message.checks_passed {
        unmet.push(Unmet::Checks);
    }
    if !within(message.residue, terms) {
        unmet.push(Unmet::Residue(message.day, message.residue));
    }
    if message.manifest != manifest_of(message.day) || !found.contains_key(&message.day) {
        unmet.push(Unmet::Manifest(message.manifest.clone()));
    }
    // A day whose ledger does not close may lack events: it is as if it were not there.
    let fit: BTreeMap<_, _> =
        found.into_iter().filter(|(_, day)| within(day.manifest.ledger_residue, terms)).collect();
    let present = u32::try_from(fit.len()).unwrap_or(u32::MAX);
    if present < terms.needed() {
        unmet.push(Unmet::Days(present, terms.needed()));
    }
    (fit, unmet)
}

/// What is not a number is not within either.
fn within(residue: f64, terms: &Terms) -> bool {
    residue <= terms.residue
}

/// Why a closed day is none on which training is due.
pub(crate) fn not_due(terms: &Terms, day: Day) -> Option<String> {
    let wanted = terms.weekday;
    let is_due = day.weekday() == i64::from(wanted.num_days_from_monday());
    (!is_due).then(|| format!("training follows a {wanted}, and {day} is none"))
}

/// An attempt as it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How it stood.
    pub(crate) state: JobState,
    /// Whether the trainer said so just now, and not the book some time ago.
    pub(crate) now: bool,
}

/// What comes next for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start this attempt.
    Start(u32),
    /// Ask how this attempt stands.
    Ask(u32),
    /// This attempt runs, or has ended well: nothing is to be done.
    Stands(u32, JobState),
    /// Enough was tried.
    GivenUp(u32),
}

/// What comes next, by the last attempt: one that failed or was cancelled makes way for another.
pub(crate) fn next(attempts: &BTreeMap<u32, Seen>) -> Next {
    match attempts.last_key_value() {
        None => Next::Start(1),
        Some((&attempt, seen)) => match seen.state {
            JobState::Running if !seen.now => Next::Ask(attempt),
            JobState::Running | JobState::Succeeded => Next::Stands(attempt, seen.state),
            JobState::Failed | JobState::Cancelled if attempt < TRAINING_ATTEMPTS => {
                Next::Start(attempt + 1)
            }
            JobState::Failed | JobState::Cancelled => Next::GivenUp(attempt),
        },
    }
}

/// The name of an attempt's job: the same day, place of features and attempt are the same job,
/// whoever asks and however often.
pub(crate) fn job_id(day: Day, features: &str, attempt: u32) -> String {
    let first = format!(
        "{PIPELINE}-{}-{}",
        day.to_string().replace('-', ""),
        fingerprint(features.as_bytes())
    );
    if attempt == 1 { first } else { format!("{first}-{attempt}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    const SUNDAY: &str = "2026-11-22";

    fn message() -> MetricsReady {
        MetricsReady {
            day: day(SUNDAY),
            checks_passed: true,
            residue: 0.0,
            manifest: format!("level_features/{SUNDAY}/manifest.json"),
            run: "r".to_owned(),
        }
    }

    fn found(days: u32) -> BTreeMap<Day, DayFound> {
        let terms = Terms { lookback_days: days, ..Terms::default() };
        let of_day = |day| DayFound {
            manifest: Manifest {
                day,
                run: String::new(),
                files: Vec::new(),
                rows: 0,
                schema: Vec::new(),
                query_version: String::new(),
                function_version: String::new(),
                checks: BTreeMap::new(),
                ledger_residue: 0.0,
            },
            sha256: String::new(),
        };
        terms.days(day(SUNDAY)).map(|day| (day, of_day(day))).collect()
    }

    #[test]
    fn every_condition_that_is_not_met_is_said() {
        let terms = Terms::default();
        assert_eq!(judge(&terms, &message(), found(30)).1, []);
        assert_eq!(judge(&terms, &message(), found(24)).1, []);
        assert_eq!(judge(&terms, &message(), found(23)).1, [Unmet::Days(23, 24)]);
        let bad = MetricsReady {
            checks_passed: false,
            residue: 0.000_100_1,
            manifest: "level_features/2026-11-21/manifest.json".to_owned(),
            ..message()
        };
        let said: Vec<_> =
            judge(&terms, &bad, BTreeMap::new()).1.iter().map(Unmet::to_string).collect();
        assert_eq!(
            said,
            [
                "a check of the day failed: see quality_results",
                "the ledger misses 0.0100 % of 2026-11-22: see ledger_residue",
                "the day's own features are not at level_features/2026-11-21/manifest.json",
                "features of 0 days are there, and 24 are needed",
            ]
        );
        let no_number = MetricsReady { residue: f64::NAN, ..message() };
        assert_eq!(judge(&terms, &no_number, found(30)).1.len(), 1);
    }

    #[test]
    fn a_day_whose_ledger_does_not_close_is_not_trained_on() {
        let mut days = found(30);
        days.get_mut(&day("2026-11-10")).unwrap().manifest.ledger_residue = 0.01;
        let (fit, unmet) = judge(&Terms::default(), &message(), days);
        assert_eq!((fit.len(), unmet), (29, vec![]));
        assert!(!fit.contains_key(&day("2026-11-10")));
    }

    #[test]
    fn training_follows_its_weekday() {
        assert_eq!(not_due(&Terms::default(), day(SUNDAY)), None);
        let monday = not_due(&Terms::default(), day("2026-11-23")).unwrap();
        assert_eq!(monday, "training follows a Sun, and 2026-11-23 is none");
        let terms = Terms { weekday: Weekday::Mon, ..Terms::default() };
        assert_eq!(not_due(&terms, day("2026-11-23")), None);
    }

    #[test]
    fn the_days_end_with_the_closed_one() {
        let days: Vec<_> = Terms::default().days(day("2024-03-03")).collect();
        assert_eq!((days.len(), days[0], days[29]), (30, day("2024-02-03"), day("2024-03-03")));
        assert!(days.contains(&day("2024-02-29")));
        for (share, needed) in [(0.8, 24), (0.0, 1), (0.01, 1), (1.0, 30), (0.81, 25)] {
            assert_eq!(Terms { share, ..Terms::default() }.needed(), needed, "{share}");
        }
    }

    #[test]
    fn the_last_attempt_decides() {
        use JobState::{Cancelled, Failed, Running, Succeeded};
        let seen = |states: &[(JobState, bool)]| -> BTreeMap<u32, Seen> {
            let seen = states.iter().map(|&(state, now)| Seen { state, now });
            (1..).zip(seen).collect()
        };
        for (states, expected) in [
            (&[][..], Next::Start(1)),
            (&[(Running, false)], Next::Ask(1)),
            (&[(Running, true)], Next::Stands(1, Running)),
            (&[(Succeeded, false)], Next::Stands(1, Succeeded)),
            (&[(Failed, false)], Next::Start(2)),
            (&[(Cancelled, true)], Next::Start(2)),
            (&[(Failed, false), (Running, false)], Next::Ask(2)),
            (&[(Failed, false), (Cancelled, true)], Next::Start(3)),
            (&[(Failed, false), (Failed, false), (Failed, true)], Next::GivenUp(3)),
            (&[(Failed, false), (Succeeded, true)], Next::Stands(2, Succeeded)),
        ] {
            assert_eq!(next(&seen(states)), expected, "{states:?}");
        }
    }

    #[test]
    fn a_name_is_fixed_by_day_place_and_attempt() {
        let id = job_id(day(SUNDAY), "gs://b/features", 1);
        assert!(id.starts_with("difficulty-prediction-training-20261122-"), "{id}");
        assert_eq!(job_id(day(SUNDAY), "gs://b/features", 2), format!("{id}-2"));
        assert_ne!(job_id(day(SUNDAY), "gs://c/features", 1), id);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(id.len() < 120 && id.chars().all(fits));
    }
}
