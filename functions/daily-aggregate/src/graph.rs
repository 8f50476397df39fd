//! The graph of a day, and what is to be done next: pure, from the rows of `pipeline_runs` and the time.

use questline_events::{
    limits::{DAILY_LEASE, DAILY_RETRIES, DAILY_RETRY_AFTER},
    time::micros,
};
use questline_stores::daily::{Attempt, State, Table};

/// A step of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Looks whether the minutes of the day are closed.
    Wait,
    /// Replaces the day of a table.
    Replace(Table),
    /// Runs the quality checks.
    QualityResults,
    /// Exports what training reads.
    LevelFeatures,
    /// Says that it is there.
    MetricsReady,
}

/// A step, and what has to be done before it.
#[derive(Debug)]
pub struct Node {
    /// The step.
    pub step: Step,
    /// Steps that it reads.
    pub needs: &'static [Step],
}

use Step::{LevelFeatures, MetricsReady, QualityResults, Replace, Wait};
use Table::{
    DayRows, Events1minClosed, LedgerDays, LevelMetrics, Purchases, PurchasesCounted,
    RetentionDaily, RevenueDailyMetrics, UserDailyMetrics,
};

/// Every step after what it needs.
pub const GRAPH: &[Node] = &[
    Node { step: Wait, needs: &[] },
    Node { step: Replace(LedgerDays), needs: &[Wait] },
    Node { step: Replace(DayRows), needs: &[Wait] },
    Node { step: Replace(LevelMetrics), needs: &[Replace(DayRows)] },
    Node { step: Replace(Events1minClosed), needs: &[Replace(DayRows)] },
    Node { step: Replace(Purchases), needs: &[Replace(DayRows)] },
    Node { step: Replace(PurchasesCounted), needs: &[Replace(Purchases)] },
    Node { step: Replace(UserDailyMetrics), needs: &[Replace(PurchasesCounted)] },
    Node { step: Replace(RevenueDailyMetrics), needs: &[Replace(PurchasesCounted)] },
    Node { step: Replace(RetentionDaily), needs: &[Replace(UserDailyMetrics)] },
    Node {
        step: QualityResults,
        needs: &[
            Replace(LevelMetrics),
            Replace(Events1minClosed),
            Replace(UserDailyMetrics),
            Replace(RevenueDailyMetrics),
        ],
    },
    Node { step: LevelFeatures, needs: &[QualityResults, Replace(LedgerDays)] },
    Node { step: MetricsReady, needs: &[LevelFeatures] },
];

impl Step {
    /// Its name, as `pipeline_runs` has it: what it writes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Wait => "wait",
            Replace(table) => table.name(),
            QualityResults => "quality_results",
            LevelFeatures => "level_features",
            MetricsReady => "metrics_ready",
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These steps can run now, beside each other; each with the number of its attempt.
    Run(Vec<(Step, u32)>),
    /// Nothing before this moment: a step is to be tried again then.
    At(i64),
    /// Steps are at work.
    Busy,
    /// It is over.
    Ended(Verdict),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every step is done.
    Done,
    /// The metrics stand; export and training were stopped, and why.
    Stopped(String),
    /// A step failed for good, and why.
    Failed(Step, String),
}

/// How a step stands.
enum Standing {
    /// It can run when what it needs is done.
    Open(u32),
    /// It is to be tried again at a moment.
    Later(i64),
    Working,
    Done,
    Skipped(String),
    Dead(String),
}

/// The attempts that were killed, as they are to be written down: what this process does not know to
/// be at work is not, where it is `alone` with the warehouse, or where no platform lets a step run so
/// long.
#[must_use]
pub fn killed(attempts: &[Attempt], now: i64, alone: bool) -> Vec<Attempt> {
    let over = |attempt: &&Attempt| alone || now >= attempt.started_at + micros(DAILY_LEASE);
    let running = attempts.iter().filter(|attempt| attempt.state == State::Running);
    let killed = |attempt: &Attempt| Attempt {
        state: State::Failed,
        error: Some(format!("the process ended while this ran; {}", mend(attempt, "at once"))),
        ..attempt.clone()
    };
    running.filter(over).map(killed).collect()
}

/// Whether a step whose attempt fails is not tried again. Waiting is no failure: its one attempt goes on
/// until the day is ready, or too late.
fn is_last(attempt: &Attempt) -> bool {
    attempt.step == Wait.name() || attempt.attempt > DAILY_RETRIES
}

/// What comes after a failed attempt.
pub(crate) fn mend(attempt: &Attempt, again: &str) -> String {
    if is_last(attempt) {
        format!("when that is mended, run `questline daily --date {}`", attempt.day)
    } else {
        format!("it is tried again {again}")
    }
}

/// What is to be done next in a run whose attempts these are.
#[must_use]
pub fn next(attempts: &[Attempt], now: i64) -> Next {
    let standing = |step: Step| {
        let of_step = attempts.iter().filter(|attempt| attempt.step == step.name());
        let latest = of_step.max_by_key(|attempt| attempt.attempt);
        latest.map_or(Standing::Open(1), |latest| stands(latest, now))
    };
    let (mut ready, mut later, mut busy) = (Vec::new(), None::<i64>, false);
    let (mut failed, mut skipped) = (None, None);
    for Node { step, needs } in GRAPH {
        let free = needs.iter().all(|need| matches!(standing(*need), Standing::Done));
        match standing(*step) {
            Standing::Open(attempt) if free => ready.push((*step, attempt)),
            Standing::Later(at) if free => later = Some(later.map_or(at, |soon| soon.min(at))),
            Standing::Working => busy = true,
            Standing::Dead(error) => failed = failed.or(Some(Verdict::Failed(*step, error))),
            Standing::Skipped(why) => skipped = skipped.or(Some(Verdict::Stopped(why))),
            Standing::Open(_) | Standing::Later(_) | Standing::Done => {}
        }
    }
    if !ready.is_empty() {
        Next::Run(ready)
    } else if busy {
        Next::Busy
    } else if let Some(at) = later {
        Next::At(at)
    } else {
        Next::Ended(failed.or(skipped).unwrap_or(Verdict::Done))
    }
}

fn stands(latest: &Attempt, now: i64) -> Standing {
    match (latest.state, latest.finished_at) {
        (State::Waiting, _) => Standing::Open(latest.attempt),
        (State::Running, _) => Standing::Working,
        (State::Done, _) => Standing::Done,
        (State::Skipped, _) => Standing::Skipped(latest.error.clone().unwrap_or_default()),
        (State::Failed, _) if is_last(latest) => {
            Standing::Dead(latest.error.clone().unwrap_or_default())
        }
        // It was killed: that says nothing against trying again at once.
        (State::Failed, None) => Standing::Open(latest.attempt + 1),
        (State::Failed, Some(finished)) => match finished + micros(DAILY_RETRY_AFTER) {
            at if at <= now => Standing::Open(latest.attempt + 1),
            at => Standing::Later(at),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use questline_events::Day;

    use super::*;

    const NOW: i64 = 1_795_400_000_000_000;
    const MINUTE: i64 = 60_000_000;

    fn attempt(step: Step, attempt: u32, state: State, ago: i64) -> Attempt {
        Attempt {
            day: Day::of(NOW),
            run: "run".to_owned(),
            step: step.name().to_owned(),
            attempt,
            state,
            started_at: NOW - (ago + 1) * MINUTE,
            finished_at: (state != State::Running).then_some(NOW - ago * MINUTE),
            error: (state == State::Failed).then(|| format!("{} broke", step.name())),
            snapshot: None,
        }
    }

    fn done(steps: &[Step]) -> Vec<Attempt> {
        steps.iter().map(|step| attempt(*step, 1, State::Done, 1)).collect()
    }

    fn all_but(steps: &[Step]) -> Vec<Attempt> {
        let others = GRAPH.iter().map(|node| node.step).filter(|step| !steps.contains(step));
        done(&others.collect::<Vec<_>>())
    }

    fn ran(attempts: &[Attempt]) -> Next {
        next(attempts, NOW)
    }

    #[test]
    fn every_step_stands_once_after_what_it_needs() {
        let mut known = HashSet::new();
        for Node { step, needs } in GRAPH {
            assert!(needs.iter().all(|need| known.contains(need)), "{}", step.name());
            assert!(known.insert(*step), "{} twice", step.name());
        }
        for table in Table::ALL {
            let of = |step: &Step| match step {
                Replace(other) => *other == *table || other.first() == Some(*table),
                _ => false,
            };
            assert_eq!(known.iter().filter(|step| of(step)).count(), 1, "{}", table.name());
        }
    }

    #[test]
    fn what_is_ready_runs_beside_each_other() {
        let first = |steps: &[Step]| Next::Run(steps.iter().map(|step| (*step, 1)).collect());
        let beside = [Replace(LevelMetrics), Replace(Events1minClosed), Replace(Purchases)];
        for (attempts, expected) in [
            (vec![], first(&[Wait])),
            (done(&[Wait]), first(&[Replace(LedgerDays), Replace(DayRows)])),
            (done(&[Wait, Replace(LedgerDays), Replace(DayRows)]), first(&beside)),
            (all_but(&[LevelFeatures, MetricsReady]), first(&[LevelFeatures])),
            (all_but(&[MetricsReady]), first(&[MetricsReady])),
            (all_but(&[]), Next::Ended(Verdict::Done)),
        ] {
            assert_eq!(ran(&attempts), expected);
        }
        let attempts = all_but(&[QualityResults, LevelFeatures, MetricsReady]);
        let running = attempt(QualityResults, 1, State::Running, 1);
        assert_eq!(ran(&[&attempts[..], &[running]].concat()), Next::Busy);
    }

    #[test]
    fn what_fails_is_tried_twice_more_five_minutes_apart() {
        let step = Replace(LevelMetrics);
        let rest = all_but(&[step, QualityResults, LevelFeatures, MetricsReady]);
        let with = |more: &[Attempt]| ran(&[&rest[..], more].concat());
        let failed = |number, ago| attempt(step, number, State::Failed, ago);
        for (attempts, expected) in [
            (vec![failed(1, 4)], Next::At(NOW + MINUTE)),
            (vec![failed(1, 5)], Next::Run(vec![(step, 2)])),
            (vec![failed(1, 20), failed(2, 5)], Next::Run(vec![(step, 3)])),
            (
                vec![failed(1, 20), failed(2, 15), failed(3, 10)],
                Next::Ended(Verdict::Failed(step, "level_metrics broke".to_owned())),
            ),
        ] {
            assert_eq!(with(&attempts), expected);
        }
        // Others go on meanwhile.
        let rest =
            all_but(&[step, Replace(Purchases), QualityResults, LevelFeatures, MetricsReady]);
        let attempts = [&rest[..], &[failed(1, 1)]].concat();
        assert_eq!(ran(&attempts), Next::Run(vec![(Replace(Purchases), 1)]));
    }

    #[test]
    fn what_was_killed_is_tried_again_at_once() {
        let step = Replace(DayRows);
        let before = done(&[Wait, Replace(LedgerDays)]);
        let killed_at = |number, ago, alone| {
            let running = attempt(step, number, State::Running, ago);
            let dead = killed(&[running], NOW, alone);
            (!dead.is_empty()).then(|| ran(&[&before[..], &dead].concat()))
        };
        assert_eq!(killed_at(1, 1, false), None, "it may live elsewhere");
        assert_eq!(killed_at(1, 1, true), Some(Next::Run(vec![(step, 2)])), "it cannot");
        assert_eq!(killed_at(1, 16, false), Some(Next::Run(vec![(step, 2)])), "its lease is over");
        let error = |number| {
            killed(&[attempt(step, number, State::Running, 0)], NOW, true)[0].error.clone()
        };
        let again = "the process ended while this ran; it is tried again at once";
        assert_eq!(error(2).as_deref(), Some(again));
        let day = Day::of(NOW);
        let last = format!(
            "the process ended while this ran; when that is mended, run `questline daily --date {day}`"
        );
        let ended = Next::Ended(Verdict::Failed(step, last));
        assert_eq!(killed_at(3, 16, false), Some(ended), "no fourth time");
    }

    #[test]
    fn a_wait_goes_on_or_ends_for_good() {
        let waiting = attempt(Wait, 1, State::Waiting, 5);
        assert_eq!(ran(&[waiting]), Next::Run(vec![(Wait, 1)]));
        let failed = attempt(Wait, 1, State::Failed, 60);
        let verdict = Verdict::Failed(Wait, "wait broke".to_owned());
        assert_eq!(ran(&[failed]), Next::Ended(verdict));
    }

    #[test]
    fn what_is_skipped_stops_what_comes_after_and_a_failure_weighs_more() {
        let mut skipped = attempt(LevelFeatures, 1, State::Skipped, 1);
        skipped.error = Some("a check failed".to_owned());
        let attempts = [&all_but(&[LevelFeatures, MetricsReady])[..], &[skipped.clone()]].concat();
        let stopped = Verdict::Stopped("a check failed".to_owned());
        assert_eq!(ran(&attempts), Next::Ended(stopped));
        let step = Replace(RetentionDaily);
        let rest = all_but(&[step, LevelFeatures, MetricsReady]);
        let dead = attempt(step, 3, State::Failed, 1);
        let attempts = [&rest[..], &[skipped, dead]].concat();
        let verdict = Verdict::Failed(step, "retention_daily broke".to_owned());
        assert_eq!(ran(&attempts), Next::Ended(verdict));
    }
}
