//! Which days are due: pure, from what is known of days and runs, and the time.

use std::collections::BTreeMap;

use questline_events::{
    Day,
    limits::{DAILY_NIGHTLY_DAYS, DAILY_OLDEST_DAYS, DAILY_WAIT},
};
use questline_stores::daily::{Attempt, KnownDay};

use crate::graph::{Next, Verdict, next};

/// How far back it is looked for days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The schedule's: yesterday, the stale days of a week, and once a week all that have not expired.
    Night,
    /// All days that have events and have not expired; one is not begun again for so many
    /// microseconds, so that those who send late do not keep it busy.
    All {
        /// Microseconds between two runs of a day.
        pause: i64,
    },
}

impl Reach {
    /// From which day through which.
    #[must_use]
    pub fn days(self, now: i64) -> (Day, Day) {
        let yesterday = Day::of(now).plus(-1);
        // Monday closes Sunday, and looks far back.
        let weekly = Day::of(now).weekday() == 0;
        let back = match self {
            Self::Night if !weekly => DAILY_NIGHTLY_DAYS,
            Self::Night | Self::All { .. } => DAILY_OLDEST_DAYS,
        };
        (Day::of(now).plus(-back), yesterday)
    }
}

/// The days that are due, and whether their run is to be made anew; yesterday first.
#[must_use]
pub(crate) fn due(
    known: &[KnownDay],
    attempts: &[Attempt],
    now: i64,
    reach: Reach,
) -> Vec<(Day, bool)> {
    let (from, yesterday) = reach.days(now);
    let mut runs = BTreeMap::<Day, Vec<Attempt>>::new();
    for attempt in attempts {
        runs.entry(attempt.day).or_default().push(attempt.clone());
    }
    let mut days: BTreeMap<Day, bool> =
        known.iter().map(|known| (known.day, known.stale)).collect();
    for day in runs.keys() {
        days.entry(*day).or_default();
    }
    if reach == Reach::Night {
        // A day without events is a finding, not a day to be passed over.
        days.entry(yesterday).or_default();
    }
    let due = days.into_iter().filter(|(day, _)| (from..=yesterday).contains(day));
    let due = due.filter_map(|(day, stale)| {
        let of_day = runs.get(&day).map(Vec::as_slice).unwrap_or_default();
        anew(of_day, stale, now, reach).map(|anew| (day, anew))
    });
    let mut due: Vec<_> = due.collect();
    due.sort_by_key(|(day, _)| *day != yesterday);
    due
}

/// Whether a day is due, and if so, whether by a new run.
fn anew(attempts: &[Attempt], stale: bool, now: i64, reach: Reach) -> Option<bool> {
    let Some(began) = attempts.iter().map(|attempt| attempt.started_at).max() else {
        return Some(false);
    };
    let since = now - began;
    let paused = matches!(reach, Reach::All { pause } if since < pause);
    match next(attempts, now) {
        Next::Ended(_) if stale => (!paused).then_some(true),
        // What failed may have been mended meanwhile.
        Next::Ended(Verdict::Failed(..)) => {
            let wait = i64::try_from(DAILY_WAIT.as_micros()).unwrap_or(i64::MAX);
            (since >= wait).then_some(true)
        }
        Next::Ended(_) => None,
        Next::At(at) => (at <= now).then_some(false),
        Next::Run(_) | Next::Busy => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use questline_stores::daily::State;

    use super::*;
    use crate::graph::{GRAPH, Step};

    /// Thursday, 26 November 2026, 02:00.
    const NOW: i64 = 1_795_658_400_000_000;
    const MINUTE: i64 = 60_000_000;

    fn day(back: i32) -> Day {
        Day::of(NOW).plus(-back)
    }

    fn run(back: i32, ago: i64, change: impl Fn(&mut Attempt)) -> Vec<Attempt> {
        let attempt = |step: Step| {
            let mut attempt = Attempt {
                day: day(back),
                run: format!("{}.1", day(back)),
                step: step.name().to_owned(),
                attempt: 1,
                state: State::Done,
                started_at: NOW - ago * MINUTE,
                finished_at: Some(NOW - ago * MINUTE),
                error: None,
                snapshot: None,
            };
            change(&mut attempt);
            attempt
        };
        GRAPH.iter().map(|node| attempt(node.step)).collect()
    }

    fn known(back: i32, stale: bool) -> KnownDay {
        KnownDay { day: day(back), stale }
    }

    #[test]
    fn the_night_closes_yesterday_and_mends_a_week() {
        assert_eq!(due(&[], &[], NOW, Reach::Night), [(day(1), false)]);
        let done = |back| run(back, 600, |_| {});
        let attempts = [done(1), done(2), done(3), done(7), done(8)].concat();
        let days = [known(1, false), known(2, true), known(3, false), known(7, true)];
        let week = due(&days, &attempts, NOW, Reach::Night);
        assert_eq!(week, [(day(7), true), (day(2), true)]);
        let monday = NOW + 4 * 24 * 60 * MINUTE;
        assert_eq!(Reach::Night.days(monday).0, Day::of(monday).plus(-365));
        assert_eq!(Reach::Night.days(NOW).0, day(7));
        let today = [known(0, false), known(366, true)];
        assert_eq!(due(&today, &done(1), NOW, Reach::Night), [], "not over, and expired");
    }

    #[test]
    fn what_did_not_end_goes_on_and_what_failed_is_tried_later() {
        let unfinished = |attempt: &mut Attempt| {
            if attempt.step == "metrics_ready" {
                attempt.state = State::Waiting;
            }
        };
        let failed = |attempt: &mut Attempt| {
            if attempt.step == "metrics_ready" {
                (attempt.state, attempt.attempt) = (State::Failed, 3);
            }
        };
        for (attempts, expected) in [
            (run(1, 5, unfinished), vec![(day(1), false)]),
            (run(1, 59, failed), vec![]),
            (run(1, 60, failed), vec![(day(1), true)]),
        ] {
            assert_eq!(due(&[], &attempts, NOW, Reach::Night), expected);
        }
    }

    #[test]
    fn a_stack_of_ones_own_closes_every_day_and_pauses_between_two_runs() {
        let all = Reach::All { pause: MINUTE };
        let days = [known(1, true), known(30, false), known(300, false)];
        assert_eq!(due(&[], &[], NOW, all), [], "yesterday without an event is no news there");
        let attempts = run(1, 0, |_| {});
        let unknown = [(day(300), false), (day(30), false)];
        assert_eq!(due(&days, &attempts, NOW, all), unknown);
        let attempts = run(1, 1, |_| {});
        let stale = [(day(1), true), (day(300), false), (day(30), false)];
        assert_eq!(due(&days, &attempts, NOW, all), stale);
    }
}
