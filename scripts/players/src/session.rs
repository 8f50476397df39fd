//! One session of one player: levels tried, boosters spent and bought, advertisements seen.

use fastrand::Rng;

use crate::{
    Request,
    batch::Batch,
    calendar::{HOUR, MINUTE, SECOND},
    chance, json, levels,
    population::Player,
    rubbish,
    tables::{BOOSTERS, ITEMS, PLACEMENTS},
};

/// Attempts that a player has time for.
const ATTEMPTS: std::ops::RangeInclusive<u32> = 6..=22;
/// The share of attempts that end without an outcome.
const ABANDONED: f64 = 0.012;
/// How much a booster adds to the chance to pass.
const BOOST: f64 = 0.15;
/// After so many failures some have enough for now.
const PATIENCE: u32 = 4;
/// The share of attempts after which an advertisement is shown.
const AD: f64 = 0.06;

/// Sessions whose bodies are NDJSON.
const LINES: f64 = 0.2;
/// Sessions without a network.
const OFFLINE: f64 = 0.03;
/// How long such a session waits until its requests are sent.
const OFFLINE_DELAY: (i64, i64) = (10 * MINUTE, 30 * HOUR);

/// How time runs in all sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    /// Length of a simulated second of play, in seconds: 1 is as in life.
    pub(crate) pace: f64,
    /// No event is older.
    pub(crate) start: i64,
}

impl Course {
    /// A time of play as it passes at this pace.
    pub(crate) fn shrink(self, span: i64) -> i64 {
        (span as f64 * self.pace) as i64
    }
}

struct Session<'a> {
    player: &'a mut Player,
    rng: &'a mut Rng,
    batch: Batch,
    course: Course,
    begin: i64,
    /// Microseconds played.
    played: i64,
}

/// Plays a session that begins now. The requests, and how many events were made.
pub(crate) fn play(
    player: &mut Player,
    begin: i64,
    course: Course,
    rng: &mut Rng,
) -> (Vec<Request>, u32) {
    let lines = chance::happens(LINES, rng);
    let batch = Batch::new(player, chance::uuid(rng), lines, begin, course);
    // A daily gift, for those who have little.
    player.boosters = player.boosters.max(1);
    let mut session = Session { player, rng, batch, course, begin, played: 0 };
    session.levels();
    let (end, events) = (session.now(), session.batch.events);
    let mut sent = session.batch.finish(end);
    player.busy_until = end;
    if chance::happens(OFFLINE, rng) {
        // Sent one after the other when the network is back.
        let back = end + course.shrink(chance::log_uniform(OFFLINE_DELAY, rng));
        for (request, place) in sent.iter_mut().zip(0..) {
            request.at = back + course.shrink(place * SECOND / 5);
        }
    }
    (sent, events)
}

impl Session<'_> {
    fn now(&self) -> i64 {
        self.begin.saturating_add(self.course.shrink(self.played))
    }

    fn wait(&mut self, low: f64, high: f64) {
        self.played += (chance::between(low, high, self.rng) * SECOND as f64) as i64;
    }

    fn event(&mut self, code: &str, parameters: impl FnOnce(&mut Vec<u8>)) {
        let now = self.now();
        self.batch.event(chance::uuid(self.rng), now, code, parameters);
        if self.player.modified && chance::happens(rubbish::SHARE, self.rng) {
            rubbish::write(&mut self.batch, now, self.rng);
        }
    }

    fn levels(&mut self) {
        for _ in 0..self.rng.u32(ATTEMPTS) {
            self.wait(3.0, 12.0);
            let failures = self.player.failures;
            if !self.attempt() {
                // The app was closed amid a level: no outcome, and no session_end.
                return;
            }
            if self.player.failures > failures {
                self.tempt();
                if self.player.failures >= PATIENCE && chance::happens(0.12, self.rng) {
                    break;
                }
            }
            if chance::happens(AD, self.rng) {
                self.advertisement();
            }
        }
        self.wait(1.0, 5.0);
        let tenths = (self.played / (SECOND / 10)) as u32;
        self.event("3002", |out| {
            json::raw("\"duration_sec\":", out);
            json::tenths(tenths, out);
        });
    }

    /// One attempt of a level; `false` if the app was closed meanwhile.
    fn attempt(&mut self) -> bool {
        let replayed = self.player.level > levels::LEVELS;
        let level = if replayed { levels::replayed(self.rng) } else { self.player.level };
        let attempt = if replayed { 1 } else { self.player.failures + 1 };
        self.event("1001", |out| {
            named(level, out);
            json::raw(",\"attempt\":", out);
            json::integer(attempt, out);
        });
        if chance::happens(ABANDONED, self.rng) {
            self.wait(2.0, 30.0);
            return self.rng.bool();
        }

        let boosters = self.boosters();
        let chance_to_pass = levels::pass_chance(level) * self.player.skill;
        let boosted = (chance_to_pass + BOOST * boosters.len() as f64).min(0.98);
        let passed = chance::happens(boosted, self.rng);
        let allowed = levels::moves(level);
        let moves = if passed { self.rng.u32(allowed / 2..=allowed) } else { allowed };
        let before = self.played;
        self.wait(f64::from(moves) * 1.2, f64::from(moves) * 2.4);
        let tenths = ((self.played - before) / (SECOND / 10)) as u32;
        let score = if passed {
            8_000 + (allowed - moves) * 1_500 + self.rng.u32(..500) * 10
        } else {
            self.rng.u32(100..800) * 10
        };
        self.event(if passed { "1002" } else { "1003" }, |out| {
            named(level, out);
            json::raw(",\"moves_used\":", out);
            json::integer(moves, out);
            json::raw(",\"time_seconds\":", out);
            json::tenths(tenths, out);
            json::raw(",\"score\":", out);
            json::integer(score, out);
            json::raw(",\"boosters_used\":[", out);
            for (index, booster) in boosters.iter().enumerate() {
                json::raw(if index == 0 { "" } else { "," }, out);
                json::text(booster, out);
            }
            json::raw("]", out);
        });
        if !replayed {
            self.player.level += u8::from(passed);
            self.player.failures = if passed { 0 } else { self.player.failures + 1 };
        }
        true
    }

    /// The boosters used in an attempt: rarely any, before a level has been failed twice.
    fn boosters(&mut self) -> &'static [&'static str] {
        let wanted = if self.player.failures < 2 { 0.05 } else { 0.4 };
        if self.player.boosters == 0 || !chance::happens(wanted, self.rng) {
            return &[];
        }
        let used = if self.rng.bool() { 2.min(self.player.boosters) } else { 1 };
        self.player.boosters -= used;
        let first = self.rng.usize(..BOOSTERS.len() - 1);
        &BOOSTERS[first..first + usize::from(used)]
    }

    /// After a failure, those who spend may buy: the more often it failed, the likelier.
    fn tempt(&mut self) {
        let temptation = (0.025 * f64::from(self.player.failures)).min(0.25);
        if !self.player.spends || !chance::happens(temptation, self.rng) {
            return;
        }
        self.wait(3.0, 15.0);
        let (name, price, boosters, _) = *chance::weighted(ITEMS, |item| item.3, self.rng);
        self.player.boosters = self.player.boosters.saturating_add(boosters);
        let transaction = chance::uuid(self.rng);
        self.event("2001", |out| {
            json::raw("\"price_usd\":", out);
            json::raw(price, out);
            json::raw(",\"transaction_id\":", out);
            json::uuid(transaction, out);
            json::raw(",\"item\":", out);
            json::text(name, out);
        });
    }

    /// An event of a type that is not registered.
    fn advertisement(&mut self) {
        let placement = chance::one(PLACEMENTS, self.rng);
        self.wait(5.0, 30.0);
        self.event("4001", |out| {
            json::raw("\"placement\":", out);
            json::text(placement, out);
        });
    }
}

fn named(level: u8, out: &mut Vec<u8>) {
    json::raw("\"level_id\":\"", out);
    json::integer(u32::from(level), out);
    json::raw("\"", out);
}
