//! What is ours: after an assignment the window is rebuilt, and what a crash left between the
//! warehouse and the log is settled.

use std::collections::{BTreeMap, HashMap};

use questline_events::{
    batch::Judgement,
    headers::IDENTITY,
    limits::DEDUP_WINDOW,
    window::{Identity, Window},
};
use questline_stores::{
    Record, Topic,
    log::{Assigned, Head, LogError, Reader},
    warehouse::{Advance, Warehouse, WarehouseError},
};

use crate::outputs::{Metadata, Reach};

/// Identities taken into the window at a time while it is rebuilt.
const REBUILD_STEP: usize = 1 << 16;

/// Source positions that the tables hold although the log's offsets are behind them.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// How far the tables go on each partition.
    until: HashMap<u32, i64>,
    /// Event, or else dead letter; records that are in neither were duplicates.
    rows: HashMap<(u32, i64), bool>,
}

impl Settled {
    /// Asks the tables about some partitions. Of the others nothing is learned, not even how far
    /// they are: what lies before that would be taken for duplicates.
    pub(crate) async fn learn(
        &mut self,
        warehouse: &dyn Warehouse,
        log_id: &str,
        assigned: &[Assigned],
    ) -> Result<(), WarehouseError> {
        for (partition, next_offset) in warehouse.positions(log_id).await? {
            if assigned.iter().any(|asked| asked.partition == partition) {
                self.until.insert(partition, next_offset);
            }
        }
        let ahead = |assigned: &Assigned| {
            let until = *self.until.get(&assigned.partition)?;
            let range = assigned.next_offset..until;
            (!range.is_empty()).then_some((assigned.partition, range))
        };
        let ranges: Vec<_> = assigned.iter().filter_map(ahead).collect();
        if !ranges.is_empty() {
            tracing::info!(partitions = ranges.len(), "process.settle");
            for settled in warehouse.settled(log_id, &ranges).await? {
                self.rows.insert((settled.partition, settled.offset), settled.event);
            }
        }
        Ok(())
    }

    /// How a record is to be judged.
    pub(crate) fn judgement(&self, partition: u32, offset: i64) -> Judgement {
        if self.until.get(&partition).is_none_or(|until| offset >= *until) {
            return Judgement::Rules;
        }
        match self.rows.get(&(partition, offset)) {
            Some(true) => Judgement::SettledEvent,
            Some(false) => Judgement::SettledLetter,
            None => Judgement::SettledDuplicate,
        }
    }

    /// How far a batch moves on: never back.
    pub(crate) fn positions(&self, reach: impl Iterator<Item = (u32, i64)>) -> Vec<Advance> {
        let advance = |(partition, to): (u32, i64)| {
            let from = self.until.get(&partition).copied();
            from.is_none_or(|from| to > from).then_some(Advance { partition, from, to })
        };
        reach.filter_map(advance).collect()
    }

    /// The tables go this far now.
    pub(crate) fn written(&mut self, positions: &[Advance]) {
        self.until.extend(positions.iter().map(|advance| (advance.partition, advance.to)));
    }

    /// The log has come this far: what is settled before it is not asked for again. What is after
    /// it is: a batch that a crash left may come back in parts.
    pub(crate) fn committed(&mut self, reach: &BTreeMap<u32, Reach>) {
        let behind = |partition: &u32, offset: i64| {
            reach.get(partition).is_some_and(|reach| offset < reach.next_offset)
        };
        self.rows.retain(|(partition, offset), _| !behind(partition, *offset));
    }
}

/// Where a batch begins on each of its partitions.
pub(crate) fn begins(records: &[Record]) -> Vec<Assigned> {
    let mut begins: Vec<Assigned> = Vec::new();
    for Record { partition, offset, .. } in records {
        if !begins.iter().any(|known| known.partition == *partition) {
            let metadata = String::new();
            begins.push(Assigned { partition: *partition, next_offset: *offset, metadata });
        }
    }
    begins
}

/// Fills the window with the identities accepted lately on partitions that are ours from now on:
/// from 15 minutes before what was committed there.
pub(crate) async fn rebuild(
    window: &mut Window,
    reader: &dyn Reader,
    assigned: &[Assigned],
) -> Result<usize, LogError> {
    let newest = |assigned: &Assigned| {
        let metadata: Metadata = serde_json::from_str(&assigned.metadata).ok()?;
        Some((assigned.partition, metadata.newest_ms))
    };
    let committed: Vec<_> = assigned.iter().filter_map(newest).collect();
    let Some(oldest) = committed.iter().map(|(_, newest_ms)| *newest_ms).min() else {
        return Ok(0);
    };
    let span = i64::try_from(DEDUP_WINDOW.as_millis()).unwrap_or(i64::MAX);
    let partitions: Vec<u32> = committed.iter().map(|(partition, _)| *partition).collect();
    let mut taken = 0;
    let mut take = |head: &Head| {
        let identity = head.headers.get(IDENTITY).and_then(|bytes| bytes.try_into().ok());
        if let Some(identity) = identity.map(u128::from_be_bytes) {
            window.insert(head.partition, head.timestamp_ms, Identity(identity));
            taken += 1;
            if taken % REBUILD_STEP == 0 {
                window.commit();
            }
        }
    };
    reader.scan(Topic::Enriched, &partitions, oldest - span, &mut take).await?;
    window.commit();
    Ok(taken)
}
