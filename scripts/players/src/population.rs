//! Who plays, and when they come back.

use std::{cmp::Reverse, collections::BinaryHeap, net::Ipv4Addr};

use fastrand::Rng;

use crate::{
    calendar::{DAY, HOUR, MINUTE, day},
    chance,
    levels::LEVELS,
    tables::{ANDROID, COUNTRIES, Device, IOS},
};

/// Players who are remembered: some 60 events per second keep so many. At higher rates, sessions
/// for which there is no room for a new player are extra sessions of those who are there.
const MOST: usize = 200_000;

/// The share of players who are still there on the first day after the install; on day n it is
/// divided by the root of n. With [`PLAYS`] that makes 40 % on day 1 and 15 % on day 7.
const STAYS: f64 = 0.667;
/// The share of those still there who play on a given day.
const PLAYS: f64 = 0.6;
/// After so many days everybody has had enough.
const LONGEST_STAY: f64 = 90.0;
/// The chance of another session on the same day, after each.
const AGAIN: f64 = 0.4;

/// Players who spend money.
const SPENDS: f64 = 0.04;
/// Players whose client is modified and sends rubbish as well.
const MODIFIED: f64 = 0.015;
/// Players who bring their progress from another device.
const MOVED: f64 = 0.15;
/// Players whose client sends as they play; the others' sends when a session ends.
const PROMPT: f64 = 0.6;

/// One player.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) user_id: u128,
    pub(crate) installed_at: i64,
    pub(crate) address: Ipv4Addr,
    pub(crate) ios: bool,
    pub(crate) device: &'static Device,
    /// Factor of the chance to pass.
    pub(crate) skill: f64,
    pub(crate) spends: bool,
    pub(crate) modified: bool,
    pub(crate) prompt: bool,
    /// How long after a release this player's app is updated.
    pub(crate) update_lag: i64,
    /// The level to pass next.
    pub(crate) level: u8,
    /// Attempts of that level that failed.
    pub(crate) failures: u32,
    pub(crate) boosters: u8,
    /// When the last session ends.
    pub(crate) busy_until: i64,
    /// The last day on which the player may come, as days since 1970.
    last_day: i64,
    /// The time of the day at which the player likes to play.
    habit: i64,
}

impl Player {
    fn install(now: i64, rng: &mut Rng) -> Self {
        let country = chance::weighted(COUNTRIES, |country| country.weight, rng);
        let (first, second) = chance::one(country.networks, rng);
        let ios = chance::happens(country.ios, rng);
        let days = (STAYS / rng.f64()).powi(2).min(LONGEST_STAY) as i64;
        Self {
            user_id: chance::uuid(rng),
            installed_at: now,
            address: Ipv4Addr::new(first, second, rng.u8(..), rng.u8(1..=254)),
            ios,
            device: chance::weighted(if ios { IOS } else { ANDROID }, |device| device.1, rng),
            skill: chance::between(0.75, 1.15, rng),
            spends: chance::happens(SPENDS, rng),
            modified: chance::happens(MODIFIED, rng),
            prompt: chance::happens(PROMPT, rng),
            update_lag: (rng.f64().powi(2) * (14 * DAY) as f64) as i64,
            level: if chance::happens(MOVED, rng) { rng.u8(1..=LEVELS) } else { 1 },
            failures: 0,
            boosters: 3,
            busy_until: now,
            last_day: day(now) + days,
            habit: now.rem_euclid(DAY),
        }
    }

    /// When the player comes again after a session on this day, unless never.
    fn next_visit(&self, today: i64, rng: &mut Rng) -> Option<i64> {
        if chance::happens(AGAIN, rng) {
            let visit = self.busy_until + rng.i64(HOUR..4 * HOUR);
            if day(visit) == today {
                return Some(visit);
            }
        }
        let next = (today + 1..=self.last_day).find(|_| chance::happens(PLAYS, rng))?;
        let of_day = self.habit + rng.i64(-90 * MINUTE..90 * MINUTE);
        Some((next * DAY + of_day.clamp(0, DAY - 1)).max(self.busy_until))
    }
}

/// All players who may come back.
#[derive(Debug, Default)]
pub(crate) struct Population {
    players: Vec<Player>,
    /// Places of players who have stopped.
    free: Vec<u32>,
    /// When players want to play next.
    visits: BinaryHeap<Reverse<(i64, u32)>>,
    /// Whether the session under way is one that its player had planned.
    planned: bool,
}

impl Population {
    /// Who plays now: a player who wanted to, or else a new one, or else, where there is no room,
    /// somebody for whom it is an extra session.
    pub(crate) fn next(&mut self, now: i64, start: i64, rng: &mut Rng) -> u32 {
        self.planned = true;
        if let Some(Reverse((visit, index))) = self.visits.peek().copied()
            && visit <= now
        {
            self.visits.pop();
            return index;
        }
        if self.free.is_empty() && self.players.len() >= MOST {
            self.planned = false;
            return self.somebody(now, rng);
        }
        let player = Player::install(now.max(start), rng);
        match self.free.pop() {
            Some(index) => {
                *self.player(index) = player;
                index
            }
            None => {
                self.players.push(player);
                self.players.len() as u32 - 1
            }
        }
    }

    /// A player who is not playing, as far as one is found soon.
    fn somebody(&self, now: i64, rng: &mut Rng) -> u32 {
        let mut index = 0;
        for _ in 0..4 {
            index = rng.usize(..self.players.len());
            if self.players[index].busy_until <= now {
                break;
            }
        }
        index as u32
    }

    /// The player of an index that [`Population::next`] gave.
    pub(crate) fn player(&mut self, index: u32) -> &mut Player {
        &mut self.players[index as usize]
    }

    /// The session is over: when does its player come again?
    pub(crate) fn played(&mut self, index: u32, now: i64, rng: &mut Rng) {
        if !self.planned {
            return;
        }
        match self.player(index).next_visit(day(now), rng) {
            Some(visit) => self.visits.push(Reverse((visit, index))),
            None => self.free.push(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_population_does_not_grow_without_limit() {
        let mut rng = Rng::with_seed(1);
        let mut population = Population::default();
        for session in 0..2 * MOST {
            let now = 1_795_392_000_000_000 + session as i64;
            let index = population.next(now, 0, &mut rng);
            population.played(index, now, &mut rng);
        }
        assert_eq!(population.players.len(), MOST);
        assert!(population.visits.len() + population.free.len() <= MOST);
    }
}
