//! Who owns which partition. Members live in this process; what they committed is in the file.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use questline_stores::{Topic, log::Committed};

/// All groups of a log.
#[derive(Clone, Default)]
pub(crate) struct Groups {
    members: Arc<Mutex<Members>>,
    /// Changes whenever any ownership does.
    changes: Arc<AtomicU64>,
}

/// A member and the generation that it knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) member: u64,
    pub(crate) generation: u64,
}

#[derive(Default)]
pub(crate) struct Members {
    groups: HashMap<String, Group>,
    next_member: u64,
}

#[derive(Default)]
struct Group {
    generation: u64,
    members: BTreeSet<u64>,
}

impl Groups {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often ownership has changed: cheap to ask before every poll.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn join(&self, group: &str) -> u64 {
        let mut members = self.lock();
        members.next_member += 1;
        let member = members.next_member;
        let group = members.groups.entry(group.to_owned()).or_default();
        group.members.insert(member);
        group.generation += 1;
        self.changes.fetch_add(1, Ordering::Release);
        member
    }

    pub(crate) fn leave(&self, group: &str, member: u64) {
        if let Some(group) = self.lock().groups.get_mut(group) {
            group.members.remove(&member);
            group.generation += 1;
        }
        self.changes.fetch_add(1, Ordering::Release);
    }
}

impl Members {
    /// The generation of a group, and the partitions of a member in it: every n-th one.
    pub(crate) fn assignment(&self, group: &str, member: u64) -> (u64, Vec<u32>) {
        let Some(group) = self.groups.get(group) else { return (0, Vec::new()) };
        let Some(place) = group.members.iter().position(|known| *known == member) else {
            return (group.generation, Vec::new());
        };
        let partitions = 0..Topic::Raw.partitions();
        (group.generation, partitions.skip(place).step_by(group.members.len()).collect())
    }

    /// Whether a member may commit: it is of this generation, and the partitions are its own.
    pub(crate) fn owns(&self, group: &str, membership: Membership, offsets: &[Committed]) -> bool {
        let (generation, owned) = self.assignment(group, membership.member);
        generation == membership.generation
            && offsets.iter().all(|offset| owned.contains(&offset.partition))
    }
}
