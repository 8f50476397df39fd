//! What questions that are asked again and again may take of the warehouse's time, however many look.
//! One that is new is asked at once, and paid back by the others.

use std::time::Duration;

use questline_events::{
    limits::{DASHBOARD_FRESH, DASHBOARD_KEPT, DASHBOARD_PUT_BY, DASHBOARD_SHARE},
    time::micros,
};

/// The time that questions took, less what was paid back since: one part in `DASHBOARD_SHARE` of the
/// time that passes.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    owed: Duration,
    /// When that was, in microseconds since 1970.
    at: i64,
}

impl Budget {
    /// Counts what a question took.
    pub(crate) fn spend(&mut self, took: Duration, now: i64) {
        // A warehouse that stood still for a while is not paid back for hours.
        let most = DASHBOARD_PUT_BY + 2 * DASHBOARD_KEPT / DASHBOARD_SHARE;
        self.owed = self.owed(now).saturating_add(took).min(most);
        self.at = now;
    }

    fn owed(&self, now: i64) -> Duration {
        let passed = Duration::from_micros(u64::try_from(now - self.at).unwrap_or(0));
        self.owed.saturating_sub(passed / DASHBOARD_SHARE)
    }

    /// For how many microseconds an answer is kept: for as long as it takes to pay back what is owed
    /// beyond what was put by. Where one round of all questions takes a second, that is
    /// `DASHBOARD_SHARE` seconds; who opens the page, or fills a new stack, has what was put by.
    pub(crate) fn kept(&self, now: i64) -> i64 {
        let beyond = self.owed(now).saturating_sub(DASHBOARD_PUT_BY);
        micros(beyond.saturating_mul(DASHBOARD_SHARE).clamp(DASHBOARD_FRESH, DASHBOARD_KEPT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const START: i64 = 1_800_000_000 * SECOND;

    /// What so many questions that take so long took of some seconds, each asked every five seconds
    /// unless there is an answer that is kept; and the oldest answer that anybody was given.
    fn taken(questions: usize, took: Duration, seconds: i64) -> (Duration, i64) {
        let (mut budget, mut all, mut oldest) = (Budget::default(), Duration::ZERO, 0);
        let mut asked = vec![0; questions];
        for now in (0..seconds).step_by(5).map(|second| START + second * SECOND) {
            for asked in &mut asked {
                let age = now - *asked;
                if age >= budget.kept(now) {
                    *asked = now;
                    budget.spend(took, now);
                    all += took;
                } else {
                    oldest = oldest.max(age);
                }
            }
        }
        (all, oldest)
    }

    #[test]
    fn questions_take_their_share_of_the_time_and_what_was_put_by() {
        let hour = Duration::from_secs(3_600);
        for (questions, took) in [(17, 20), (17, 200), (40, 100), (4, 1_000)] {
            let took = Duration::from_millis(took);
            let (all, oldest) = taken(questions, took, 3_600);
            let round = took * u32::try_from(questions).unwrap();
            let most = hour / DASHBOARD_SHARE + DASHBOARD_PUT_BY + round;
            assert!(all <= most, "{questions} of {took:?}: {all:?} of {most:?}");
            assert!(all >= hour / DASHBOARD_SHARE / 2, "they are asked: {all:?}");
            let share = micros(round * DASHBOARD_SHARE).max(micros(DASHBOARD_FRESH));
            assert!(oldest <= 2 * share, "{questions} of {took:?}: {oldest} of {share}");
        }
    }

    #[test]
    fn what_takes_little_is_always_fresh_and_so_is_all_on_a_page_that_was_just_opened() {
        assert_eq!(taken(17, Duration::from_millis(5), 3_600).1, 0);
        assert_eq!(taken(17, Duration::from_millis(50), 45).1, 0);
    }

    #[test]
    fn what_stood_still_is_paid_back_in_minutes() {
        let mut budget = Budget::default();
        (0..17).for_each(|_| budget.spend(Duration::from_secs(10), START));
        assert_eq!(budget.kept(START), micros(DASHBOARD_KEPT));
        assert_eq!(budget.kept(START + 2 * micros(DASHBOARD_KEPT)), micros(DASHBOARD_FRESH));
    }

    #[test]
    fn a_clock_that_goes_back_pays_nothing_and_owes_nothing_more() {
        let mut budget = Budget::default();
        budget.spend(DASHBOARD_PUT_BY * 2, START);
        let kept = budget.kept(START);
        assert!(kept > micros(DASHBOARD_FRESH));
        assert_eq!(budget.kept(START - SECOND), kept);
        assert!(budget.kept(START + SECOND) < kept || kept == micros(DASHBOARD_KEPT));
    }
}
