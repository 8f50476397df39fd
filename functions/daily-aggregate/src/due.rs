//! Which days are due: pure, from what is known of days and runs, and the time.

use std::collections::BTreeMap;

use questline_events::{
    Day,
    limits::{DAILY_NIGHTLY_DAYS, DAILY_OLDEST_DAYS, DAILY_WAIT},
    time::micros,
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

/// What is to be done about a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing: its numbers are what they are to be.
    Not,
    /// Something, and not yet.
    Later,
    /// Its run is begun, or goes on.
    Now,
    /// A new run is begun.
    Anew,
}

/// The days about which there is something to be done; yesterday first.
#[must_use]
pub(crate) fn due(
    known: &[KnownDay],
    attempts: &[Attempt],
    now: i64,
    reach: Reach,
) -> Vec<(Day, Due)> {
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
    let due = due.map(|(day, stale)| {
        let of_day = runs.get(&day).map(Vec::as_slice).unwrap_or_default();
        (day, of(of_day, stale, now, reach))
    });
    let mut due: Vec<_> = due.filter(|(_, due)| *due != Due::Not).collect();
    due.sort_by_key(|(day, _)| *day != yesterday);
    due
}

/// What is to be done about the day of these attempts.
fn of(attempts: &[Attempt], stale: bool, now: i64, reach: Reach) -> Due {
    let Some(began) = attempts.iter().map(|attempt| attempt.started_at).max() else {
        return Due::Now;
    };
    let since = now - began;
    let paused = matches!(reach, Reach::All { pause } if since < pause);
    match next(attempts, now) {
        Next::Ended(_) if stale && !paused => Due::Anew,
        // What failed may have been mended meanwhile.
        Next::Ended(Verdict::Failed(..)) if !stale && since >= micros(DAILY_WAIT) => Due::Anew,
        Next::Ended(verdict) if stale || matches!(verdict, Verdict::Failed(..)) => Due::Later,
        Next::Ended(_) => Due::Not,
        Next::At(at) if at > now => Due::Later,
        Next::At(_) | Next::Run(_) | Next::Busy => Due::Now,
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
        assert_eq!(due(&[], &[], NOW, Reach::Night), [(day(1), Due::Now)]);
        let done = |back| run(back, 600, |_| {});
        let attempts = [done(1), done(2), done(3), done(7), done(8)].concat();
        let days = [known(1, false), known(2, true), known(3, false), known(7, true)];
        let week = due(&days, &attempts, NOW, Reach::Night);
        assert_eq!(week, [(day(7), Due::Anew), (day(2), Due::Anew)]);
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
        let retried = |attempt: &mut Attempt| {
            if attempt.step == "metrics_ready" {
                attempt.state = State::Failed;
            }
        };
        let failed = |attempt: &mut Attempt| {
            if attempt.step == "metrics_ready" {
                (attempt.state, attempt.attempt) = (State::Failed, 3);
            }
        };
        for (attempts, expected) in [
            (run(1, 5, unfinished), Due::Now),
            (run(1, 4, retried), Due::Later),
            (run(1, 5, retried), Due::Now),
            (run(1, 59, failed), Due::Later),
            (run(1, 60, failed), Due::Anew),
        ] {
            assert_eq!(due(&[], &attempts, NOW, Reach::Night), [(day(1), expected)]);
        }
    }

    #[test]
    fn a_stack_of_ones_own_closes_every_day_and_pauses_between_two_runs() {
        let all = Reach::All { pause: MINUTE };
        let days = [known(1, true), known(30, false), known(300, false)];
        assert_eq!(due(&[], &[], NOW, all), [], "yesterday without an event is no news there");
        let attempts = run(1, 0, |_| {});
        let (unknown, old) = ((day(300), Due::Now), (day(30), Due::Now));
        assert_eq!(due(&days, &attempts, NOW, all), [(day(1), Due::Later), unknown, old]);
        let attempts = run(1, 1, |_| {});
        assert_eq!(due(&days, &attempts, NOW, all), [(day(1), Due::Anew), unknown, old]);
    }
}
