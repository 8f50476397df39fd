//! Deduplicate: which identities were accepted lately, per partition.
//!
//! The window is exact within its span; over longer times the warehouse is
//! (`events_unique`). It moves only when the log's transaction commits.

use std::{collections::VecDeque, hash::Hasher, time::Duration};

use hashbrown::{HashMap, HashTable, hash_table::Entry};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::limits::{DEDUP_ENTRIES, DEDUP_WINDOW};

/// The keyed hash of (app_id, id): 128 bits, so that no two events ever meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity(pub u128);

/// Hashes identities with a key of the log, so that nobody can make two of them meet on purpose.
#[derive(Debug, Clone, Copy)]
pub struct Identities {
    keyed: SipHasher13,
}

impl Identities {
    /// Identities of one log: its id is the key, so every instance computes the same ones.
    #[must_use]
    pub fn of_log(log_id: &str) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(log_id.as_bytes());
        Self { keyed: SipHasher13::new_with_key(&hasher.finish128().as_u128().to_le_bytes()) }
    }

    /// The identity of an event.
    #[must_use]
    pub fn of(&self, app_id: &str, event_id: &str) -> Identity {
        let mut hasher = self.keyed;
        hasher.write(app_id.as_bytes());
        // No text has this byte: ("a", "bc") and ("ab", "c") differ.
        hasher.write_u8(0xff);
        hasher.write(event_id.as_bytes());
        Identity(hasher.finish128().as_u128())
    }

    /// The identity of a letter that was brought back for the given time: twice is once.
    #[must_use]
    pub fn of_letter(&self, letter: &str, attempts: i64) -> Identity {
        let mut hasher = self.keyed;
        // No app has this name.
        hasher.write_u8(0xff);
        hasher.write(letter.as_bytes());
        hasher.write_i64(attempts);
        Identity(hasher.finish128().as_u128())
    }
}

/// The identities accepted lately on the partitions that a process owns.
#[derive(Debug)]
pub struct Window {
    partitions: HashMap<u32, Partition>,
    /// Seconds of the log's time that an identity stays.
    span: u32,
    evicted_early: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self::of(DEDUP_WINDOW)
    }
}

#[derive(Debug, Default)]
struct Partition {
    /// Identities in order of arrival.
    order: VecDeque<u128>,
    /// The seconds of the log's time at which they arrived, in that order.
    seconds: VecDeque<Second>,
    /// Where each identity is in that order: its number, which counts on from `first`.
    known: HashTable<u32>,
    first: u32,
    /// The newest second that is committed.
    newest: u32,
    /// How many of the last ones are not committed yet.
    uncommitted: usize,
}

/// Identities that arrived one after the other within a second.
#[derive(Debug)]
struct Second {
    at: u32,
    identities: u32,
}

impl Window {
    /// A window of another span than processing's.
    #[must_use]
    pub fn of(span: Duration) -> Self {
        let span = u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        Self { partitions: HashMap::default(), span, evicted_early: 0 }
    }

    /// Takes note of an identity; `true` if it was not known.
    pub fn insert(&mut self, partition: u32, log_time_ms: i64, identity: Identity) -> bool {
        let partition = self.partitions.entry(partition).or_default();
        partition.insert(identity.0, u32::try_from(log_time_ms / 1_000).unwrap_or(0))
    }

    /// What was inserted since the last commit stays, and the oldest make room.
    pub fn commit(&mut self) {
        let room = DEDUP_ENTRIES / self.partitions.len().max(1);
        for partition in self.partitions.values_mut().filter(|known| known.uncommitted > 0) {
            partition.commit();
            self.evicted_early += partition.shrink(room, self.span);
        }
    }

    /// What was inserted since the last commit is forgotten.
    pub fn rollback(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.rollback();
        }
    }

    /// A partition goes to another owner.
    pub fn forget(&mut self, partition: u32) {
        self.partitions.remove(&partition);
    }

    /// Identities known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.partitions.values().map(|partition| partition.known.len()).sum()
    }

    /// `true` if no identity is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Identities that had to go before their time since the process started.
    #[must_use]
    pub const fn evicted_early(&self) -> u64 {
        self.evicted_early
    }
}

/// Identities are uniform already: their low half is their hash.
#[expect(clippy::cast_possible_truncation, reason = "the low half")]
const fn hash(identity: u128) -> u64 {
    identity as u64
}

impl Partition {
    fn insert(&mut self, identity: u128, second: u32) -> bool {
        let (order, first) = (&self.order, self.first);
        let at = |number: &u32| order[number.wrapping_sub(first) as usize];
        let next = u32::try_from(order.len()).unwrap_or(u32::MAX);
        let found = self.known.entry(
            hash(identity),
            |number| at(number) == identity,
            |number| hash(at(number)),
        );
        let Entry::Vacant(vacant) = found else { return false };
        vacant.insert(first.wrapping_add(next));
        self.order.push_back(identity);
        match self.seconds.back_mut() {
            Some(last) if last.at == second => last.identities += 1,
            _ => self.seconds.push_back(Second { at: second, identities: 1 }),
        }
        self.uncommitted += 1;
        true
    }

    fn commit(&mut self) {
        for Second { at, identities } in self.seconds.iter().rev() {
            if self.uncommitted == 0 {
                break;
            }
            self.newest = self.newest.max(*at);
            self.uncommitted = self.uncommitted.saturating_sub(*identities as usize);
        }
    }

    fn rollback(&mut self) {
        for _ in 0..std::mem::take(&mut self.uncommitted) {
            self.forget(self.order.len() - 1);
            self.order.pop_back();
            if let Some(last) = self.seconds.back_mut() {
                last.identities -= 1;
            }
            self.seconds.pop_back_if(|last| last.identities == 0);
        }
    }

    /// Takes the identity at a place in the order out of those known.
    fn forget(&mut self, place: usize) {
        let Some(identity) = self.order.get(place) else { return };
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let number = self.first.wrapping_add(place);
        if let Ok(entry) = self.known.find_entry(hash(*identity), |known| *known == number) {
            entry.remove();
        }
    }

    /// Drops what is too old, and what is too much; counts the latter.
    fn shrink(&mut self, room: usize, span: u32) -> u64 {
        let mut early = 0;
        while let Some(second) = self.seconds.front_mut() {
            let old = second.at.saturating_add(span) < self.newest;
            if !old && self.order.len() <= room {
                break;
            }
            early += u64::from(!old);
            second.identities -= 1;
            self.seconds.pop_front_if(|second| second.identities == 0);
            self.forget(0);
            self.order.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_MS: i64 = 15 * 60 * 1_000;

    #[test]
    fn identities_depend_on_the_log_and_on_where_the_app_ends() {
        let log = Identities::of_log("a");
        assert_eq!(log.of("app", "1"), Identities::of_log("a").of("app", "1"));
        assert_ne!(log.of("app", "1"), Identities::of_log("b").of("app", "1"));
        assert_ne!(log.of("a", "bc"), log.of("ab", "c"));
    }

    #[test]
    fn a_rolled_back_identity_is_new_again() {
        let mut window = Window::default();
        assert!(window.insert(0, 0, Identity(1)));
        assert!(!window.insert(0, 0, Identity(1)));
        window.rollback();
        assert!(window.insert(0, 0, Identity(1)));
        window.commit();
        assert!(!window.insert(0, 0, Identity(1)));
        assert!(window.insert(1, 0, Identity(1)), "another partition has its own window");
    }

    #[test]
    fn identities_age_by_the_logs_time_of_their_partition() {
        let mut window = Window::default();
        window.insert(0, 1_000, Identity(1));
        window.insert(1, 1_000, Identity(2));
        window.commit();
        window.insert(0, 1_000 + WINDOW_MS, Identity(3));
        window.commit();
        assert!(!window.insert(0, 0, Identity(1)), "exactly as old as the window is still known");
        window.insert(0, 2_000 + WINDOW_MS, Identity(4));
        window.commit();
        assert!(window.insert(0, 0, Identity(1)));
        assert!(!window.insert(1, 0, Identity(2)), "no newer record on this partition");
        assert_eq!(window.evicted_early(), 0);
    }

    #[test]
    fn what_goes_for_want_of_room_is_counted() {
        let mut partition = Partition::default();
        for identity in 0..5 {
            assert!(partition.insert(identity, 1));
        }
        assert_eq!(partition.shrink(3, 900), 2);
        assert_eq!(partition.known.len(), 3);
        assert!(!partition.insert(2, 1), "kept");
        assert!(partition.insert(1, 1), "gone");
    }
}
