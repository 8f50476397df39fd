//! A consumer group: members that come, go, fall silent and come back; partitions that change hands
//! when their owner has settled what it had, or is given up for dead.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use questline_stores::{
    Record, Topic,
    log::{
        Appender as _, Assigned, Committed, Consumer, LogError, PollLimits, Polled, Transaction,
    },
};
use tokio::{task::AbortHandle, time::Instant};

use crate::{
    log::{Brokers, SimLog, away},
    plant::Plant,
};

/// Who is silent for so long is given up for dead.
const SESSION: Duration = Duration::from_secs(10);

/// What the brokers know of a group.
pub(crate) struct Group {
    pub(crate) committed: Vec<Option<(i64, String)>>,
    owners: Vec<Option<u64>>,
    members: BTreeMap<u64, Seen>,
    next: u64,
}

struct Seen {
    instance: String,
    at: Instant,
}

impl Default for Group {
    fn default() -> Self {
        let partitions = Topic::Raw.partitions() as usize;
        let (committed, owners) = (vec![None; partitions], vec![None; partitions]);
        Self { committed, owners, members: BTreeMap::new(), next: 0 }
    }
}

impl Group {
    /// A member under a name; whoever had the name before is fenced, and its partitions are free.
    fn join(&mut self, instance: &str) -> u64 {
        let before = self.members.iter().find(|(_, seen)| seen.instance == instance);
        if let Some(before) = before.map(|(member, _)| *member) {
            self.leave(before);
        }
        self.next += 1;
        let seen = Seen { instance: instance.to_owned(), at: Instant::now() };
        self.members.insert(self.next, seen);
        self.next
    }

    /// A heartbeat of whoever has the name now.
    fn hear(&mut self, instance: &str) {
        for seen in self.members.values_mut().filter(|seen| seen.instance == instance) {
            seen.at = Instant::now();
        }
    }

    fn leave(&mut self, member: u64) {
        self.members.remove(&member);
        for owner in &mut self.owners {
            *owner = owner.filter(|owner| *owner != member);
        }
    }

    fn give_up_the_silent(&mut self) {
        let silent =
            |(member, seen): (&u64, &Seen)| (seen.at.elapsed() > SESSION).then_some(*member);
        let silent: Vec<_> = self.members.iter().filter_map(silent).collect();
        for member in silent {
            self.leave(member);
        }
    }

    /// To whom a partition is to go.
    fn target(&self, partition: usize) -> Option<u64> {
        let members: Vec<_> = self.members.keys().collect();
        members.get(partition % members.len().max(1)).map(|member| **member)
    }

    /// Frees what is to go to others, and takes what is free: the numbers of both.
    fn balance(&mut self, member: u64) -> (Vec<u32>, Vec<u32>) {
        let (mut gone, mut gained) = (Vec::new(), Vec::new());
        for partition in 0..self.owners.len() {
            let mine = self.target(partition) == Some(member);
            let number = u32::try_from(partition).unwrap_or(u32::MAX);
            match self.owners[partition] {
                Some(owner) if owner == member && !mine => {
                    self.owners[partition] = None;
                    gone.push(number);
                }
                None if mine => {
                    self.owners[partition] = Some(member);
                    gained.push(number);
                }
                _ => {}
            }
        }
        (gone, gained)
    }

    fn owns(&self, member: u64, partition: u32) -> bool {
        self.owners.get(partition as usize).is_some_and(|owner| *owner == Some(member))
    }

    fn assigned(&self, partition: u32) -> Assigned {
        let committed = self.committed.get(partition as usize).cloned().flatten();
        let (next_offset, metadata) = committed.unwrap_or_default();
        Assigned { partition, next_offset, metadata }
    }
}

/// A member of a group, in its process.
pub(crate) struct Member {
    log: SimLog,
    group: String,
    instance: String,
    id: u64,
    /// The next offset of each partition that is ours.
    positions: BTreeMap<u32, i64>,
    /// Nothing in hand counts any more: begin again where the group has committed.
    anew: bool,
    heart: AbortHandle,
}

impl Member {
    pub(crate) fn join(log: SimLog, group: &str, instance: &str) -> Self {
        let id = of(&mut log.brokers(), group).join(instance);
        log.world.note("joins", &[id.cast_signed()]);
        let (beating, name) = (log.clone(), group.to_owned());
        let heart = tokio::spawn(async move {
            loop {
                beating.life.pass().await;
                of(&mut beating.brokers(), &name).hear(beating.instance());
                tokio::time::sleep(SESSION / 5).await;
            }
        });
        Self {
            group: group.to_owned(),
            instance: instance.to_owned(),
            id,
            positions: BTreeMap::new(),
            anew: false,
            heart: heart.abort_handle(),
            log,
        }
    }

    /// Who was given up for dead joins again; who was replaced does not.
    fn is_member(&mut self, group: &mut Group, polled: &mut Polled) -> Result<(), LogError> {
        if group.members.contains_key(&self.id) {
            return Ok(());
        }
        if group.members.values().any(|seen| seen.instance == self.instance) {
            return Err(LogError::Fenced);
        }
        self.id = group.join(&self.instance);
        self.log.world.note("joins again", &[self.id.cast_signed()]);
        polled.revoked.extend(std::mem::take(&mut self.positions).into_keys());
        self.anew = false;
        Ok(())
    }

    fn look(&mut self, limits: PollLimits) -> Result<Polled, LogError> {
        let log = self.log.clone();
        let mut brokers = log.brokers();
        let mut polled = Polled::default();
        let group = of(&mut brokers, &self.group);
        group.give_up_the_silent();
        self.is_member(group, &mut polled)?;
        if let Some(seen) = group.members.get_mut(&self.id) {
            seen.at = Instant::now();
        }
        if std::mem::take(&mut self.anew) {
            for (partition, position) in &mut self.positions {
                let assigned = group.assigned(*partition);
                *position = assigned.next_offset;
                polled.revoked.push(*partition);
                polled.assigned.push(assigned);
            }
        }
        let (gone, gained) = group.balance(self.id);
        polled.assigned.retain(|assigned| !gone.contains(&assigned.partition));
        for partition in gone {
            self.positions.remove(&partition);
            polled.revoked.push(partition);
        }
        for partition in gained {
            let assigned = group.assigned(partition);
            self.positions.insert(partition, assigned.next_offset);
            polled.assigned.push(assigned);
        }
        self.read(&mut brokers, limits, &mut polled);
        Ok(polled)
    }

    /// Some of what there is: brokers answer in no order, and in parts.
    fn read(&mut self, brokers: &mut Brokers, limits: PollLimits, polled: &mut Polled) {
        let world = &self.log.world;
        let mut partitions: Vec<_> = self.positions.keys().copied().collect();
        world.chance.shuffle(&mut partitions);
        let raw = brokers.topic(Topic::Raw);
        for partition in partitions {
            let Some(position) = self.positions.get_mut(&partition) else { continue };
            let records = &raw[partition as usize];
            let fresh = &records[usize::try_from(*position).unwrap_or(0).min(records.len())..];
            let room = limits.records.saturating_sub(polled.records.len());
            let mut many = fresh.len().min(room);
            if many > 0 && world.fails(4) {
                many = usize::try_from(world.chance.number(0..many as u64)).unwrap_or(0);
            }
            polled.records.extend_from_slice(&fresh[..many]);
            *position += i64::try_from(many).unwrap_or(0);
        }
    }

    fn tell(&self, polled: &Polled) {
        let mut ends = BTreeMap::<u32, [i64; 2]>::new();
        for Record { partition, offset, .. } in &polled.records {
            ends.entry(*partition).or_insert([*offset; 2])[1] = *offset + 1;
        }
        let ends =
            ends.into_iter().flat_map(|(partition, [from, to])| [partition.into(), from, to]);
        let told: Vec<i64> = [self.id.cast_signed()].into_iter().chain(ends).collect();
        self.log.world.note("polled", &told);
    }

    fn take(&self, transaction: &Transaction) -> Result<(), LogError> {
        let world = &self.log.world;
        let mut brokers = self.log.brokers();
        let now_ms = self.log.now_ms();
        let group = of(&mut brokers, &self.group);
        group.give_up_the_silent();
        let ours = |partition| group.owns(self.id, partition);
        let fenced = !transaction.offsets.iter().all(|offset| ours(offset.partition));
        if fenced {
            world.note("fenced by the log", &[self.id.cast_signed()]);
        } else {
            let unnamed = |offset: &&Committed| {
                world.has(Plant::UnnamedStream) && offset.metadata.contains(r#""declared""#)
            };
            for offset in transaction.offsets.iter().filter(|offset| !unnamed(offset)) {
                let slot = &mut group.committed[offset.partition as usize];
                *slot = Some((offset.next_offset, offset.metadata.clone()));
            }
            let offset = |offset: &Committed| [offset.partition.into(), offset.next_offset];
            let offsets = transaction.offsets.iter().flat_map(offset);
            let told: Vec<i64> = [self.id.cast_signed()].into_iter().chain(offsets).collect();
            world.note("committed", &told);
        }
        if !fenced || world.has(Plant::ReadUncommitted) {
            for (topic, record) in &transaction.records {
                let partition = self.log.place(*topic, record);
                brokers.keep(*topic, partition, record.clone(), now_ms);
            }
        }
        if fenced { Err(LogError::Fenced) } else { Ok(()) }
    }
}

fn of<'b>(brokers: &'b mut Brokers, group: &str) -> &'b mut Group {
    brokers.groups.entry(group.to_owned()).or_default()
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, LogError> {
        let log = self.log.clone();
        let until = Instant::now() + limits.wait;
        loop {
            log.ready().await.inspect_err(|_| self.anew = true)?;
            let mut polled = self.look(limits)?;
            let ownership = !polled.assigned.is_empty() || !polled.revoked.is_empty();
            if !polled.records.is_empty() && !ownership && !limits.linger.is_zero() {
                tokio::time::sleep(limits.linger).await;
                log.life.pass().await;
                self.read(&mut log.brokers(), limits, &mut polled);
            }
            if ownership || !polled.records.is_empty() || Instant::now() >= until {
                log.world.pass(0..10).await;
                log.life.pass().await;
                self.tell(&polled);
                return Ok(polled);
            }
            log.world.pass(10..60).await;
        }
    }

    async fn commit(&mut self, transaction: Transaction) -> Result<(), LogError> {
        let log = self.log.clone();
        log.life.pass().await;
        log.world.pass(1..40).await;
        let result = async {
            log.ready().await?;
            if log.world.fails(25) {
                return Err(away());
            }
            self.take(&transaction)?;
            log.world.pass(1..40).await;
            log.life.pass().await;
            if log.world.fails(25) { Err(away()) } else { Ok(()) }
        };
        let result = result.await;
        self.anew |= result.is_err();
        result
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.heart.abort();
        // Whoever is killed leaves without a word.
        if self.log.life.runs() {
            of(&mut self.log.brokers(), &self.group).leave(self.id);
        }
    }
}
