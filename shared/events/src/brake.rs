//! The brake: where too many of an app's events become dead letters, further letters are marked
//! `held`, so that one command brings them back after the mend. Other apps are not touched.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::{
    limits::{BRAKE_APPS, BRAKE_MIN_EVENTS, BRAKE_PERCENT, BRAKE_WINDOW},
    time::micros,
};

/// Span of one bucket of the sliding window.
const BUCKET_MICROS: i64 = 10 * 1_000_000;

/// Counts each app's recent outcomes, by the records' `received_at`.
#[derive(Debug, Clone, Default)]
pub struct Brake {
    apps: HashMap<Box<str>, Recent>,
    /// In which bucket idle apps were looked for last.
    swept: i64,
}

#[derive(Debug, Clone, Default)]
struct Recent {
    buckets: VecDeque<Bucket>,
    events: u64,
    dead: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    number: i64,
    events: u64,
    dead: u64,
}

impl Brake {
    /// Counts one event of an app; `true` if it is dead and the app's brake is pulled.
    pub fn count(&mut self, app_id: &str, received_at: i64, dead: bool) -> bool {
        let bucket = received_at.div_euclid(BUCKET_MICROS);
        if let Some(recent) = self.apps.get_mut(app_id) {
            return recent.count(bucket, dead);
        }
        if self.apps.len() >= BRAKE_APPS && self.swept != bucket {
            self.swept = bucket;
            self.apps.retain(|_, recent| recent.lives(bucket));
        }
        if self.apps.len() >= BRAKE_APPS {
            return false;
        }
        self.apps.entry(app_id.into()).or_default().count(bucket, dead)
    }

    /// The apps whose brake is pulled. One that has sent nothing for as long as the brake looks
    /// back, while others did, is past: nobody is to be woken for it any more.
    pub fn pulled(&self) -> impl Iterator<Item = &str> {
        let newest = self.apps.values().filter_map(Recent::newest).max().unwrap_or_default();
        let apps = self.apps.iter();
        apps.filter(move |(_, app)| app.pulled() && app.lives(newest)).map(|(name, _)| &**name)
    }
}

impl Recent {
    fn newest(&self) -> Option<i64> {
        self.buckets.back().map(|bucket| bucket.number)
    }

    fn count(&mut self, number: i64, dead: bool) -> bool {
        let newest = self.newest().unwrap_or(number);
        if number > newest || self.buckets.is_empty() {
            self.buckets.push_back(Bucket { number, events: 0, dead: 0 });
            self.forget(number);
        }
        // A straggler of an earlier moment counts where the newest are.
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.events += 1;
            bucket.dead += u64::from(dead);
            self.events += 1;
            self.dead += u64::from(dead);
        }
        dead && self.pulled()
    }

    /// Whether it has sent anything for as long as the brake looks back.
    fn lives(&self, now: i64) -> bool {
        self.newest().is_some_and(|newest| newest > oldest(now))
    }

    fn forget(&mut self, newest: i64) {
        while self.buckets.front().is_some_and(|bucket| bucket.number <= oldest(newest)) {
            if let Some(old) = self.buckets.pop_front() {
                self.events -= old.events;
                self.dead -= old.dead;
            }
        }
    }

    const fn pulled(&self) -> bool {
        self.events >= BRAKE_MIN_EVENTS && self.dead * 100 > self.events * BRAKE_PERCENT
    }
}

/// The newest bucket that is no part of the window any more.
fn oldest(newest: i64) -> i64 {
    newest - micros(BRAKE_WINDOW) / BUCKET_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn needs_a_thousand_events_and_more_than_a_fifth() {
        let mut brake = Brake::default();
        for n in 0..999 {
            assert!(!brake.count("a", 0, n % 2 == 0));
        }
        assert!(brake.count("a", 0, true), "the thousandth event, half of them dead");
        assert!(!brake.count("b", 0, true), "another app is not touched");
        assert!(!brake.count("a", 0, false), "a good event is never held");
        assert_eq!(brake.pulled().collect::<Vec<_>>(), ["a"]);

        let mut brake = Brake::default();
        for n in 0..1_000 {
            assert!(!brake.count("a", 0, n % 5 == 0), "exactly a fifth");
        }
        assert!(brake.count("a", 0, true));
    }

    #[test]
    fn is_released_when_five_good_minutes_have_passed() {
        let mut brake = Brake::default();
        for _ in 0..1_000 {
            brake.count("a", 0, true);
        }
        for n in 0..3_000 {
            brake.count("a", 299 * SECOND, n < 10);
        }
        assert!(brake.count("a", 299 * SECOND, true), "1,011 of 4,001");
        for _ in 0..1_000 {
            brake.count("a", 310 * SECOND, false);
        }
        assert!(!brake.count("a", 310 * SECOND, true), "the bad minutes are forgotten");
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let mut brake = Brake::default();
        for n in 0..2 * BRAKE_APPS {
            brake.count(&n.to_string(), 0, true);
        }
        assert_eq!(brake.apps.len(), BRAKE_APPS);
        let pulled = |brake: &mut Brake, at| (0..1_000).any(|_| brake.count("known", at, true));
        assert!(!pulled(&mut brake, 299 * SECOND), "there is no room");
        assert!(pulled(&mut brake, 310 * SECOND), "those who are idle make room");
        assert_eq!(brake.apps.len(), 1);
    }

    #[test]
    fn of_an_app_that_has_fallen_silent_nobody_is_told_for_ever() {
        let mut brake = Brake::default();
        for _ in 0..1_000 {
            brake.count("a", 0, true);
        }
        brake.count("b", 299 * SECOND, false);
        assert_eq!(brake.pulled().collect::<Vec<_>>(), ["a"]);
        brake.count("b", 300 * SECOND, false);
        assert_eq!(brake.pulled().count(), 0);
        assert!(brake.count("a", 0, true), "what comes of its bad minutes is held all the same");
    }
}
