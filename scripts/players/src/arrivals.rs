//! When sessions begin: a Poisson process whose rate follows the hour of the day.

use std::f64::consts::TAU;

use fastrand::Rng;

use crate::calendar::{DAY, HOUR, SECOND};

/// At the peak this much more is played than in the mean of a day, in the dead of night this much
/// less.
const SWING: f64 = 0.5;
/// When most is played, UTC.
const PEAK: i64 = 19 * HOUR;

/// Events of a session, before any was seen.
const FIRST_GUESS: f64 = 29.0;
/// How much each session moves the mean that it is judged by.
const LEARNING: f64 = 0.002;

/// The beginnings of sessions.
#[derive(Debug)]
pub(crate) struct Arrivals {
    opening: i64,
    /// Seconds since the opening: at high rates several sessions begin in one microsecond.
    clock: f64,
    events_per_second: f64,
    events_per_session: f64,
}

impl Arrivals {
    /// The first session begins soon after the opening; together they make so many events.
    pub(crate) const fn new(opening: i64, events_per_second: f64) -> Self {
        Self { opening, clock: 0.0, events_per_second, events_per_session: FIRST_GUESS }
    }

    /// When the next session begins. The process runs at the rate of the peak, and thinning it by
    /// the curve gives each hour its own.
    pub(crate) fn next(&mut self, rng: &mut Rng) -> i64 {
        let sessions_per_second = self.events_per_second / self.events_per_session;
        loop {
            let gap = -(1.0 - rng.f64()).ln();
            self.clock += gap / (sessions_per_second * (1.0 + SWING));
            let moment = self.opening.saturating_add((self.clock * SECOND as f64) as i64);
            if rng.f64() * (1.0 + SWING) < curve(moment) {
                return moment;
            }
        }
    }

    /// Takes note of how many events a session had: levels differ, and with them sessions, but
    /// the rate of events is to hold.
    pub(crate) fn learn(&mut self, events: u32) {
        self.events_per_session += (f64::from(events) - self.events_per_session) * LEARNING;
    }
}

/// How much is played at a moment, 1 being the mean of a day.
fn curve(moment: i64) -> f64 {
    let of_day = (moment - PEAK).rem_euclid(DAY) as f64 / DAY as f64;
    1.0 + SWING * (of_day * TAU).cos()
}
