//! What is ours: after an assignment the window is rebuilt, and what a crash left between the
//! warehouse and the log is settled.

use std::collections::{BTreeMap, HashMap};

use questline_events::{
    batch::{Judgement, Verdict},
    headers::IDENTITY,
    limits::DEDUP_WINDOW,
    minutes::Key,
    window::{Identity, Window},
};
use questline_stores::{
    Record, Topic,
    log::{Assigned, Committed, Gap, Head, LogError, Reader},
    warehouse::{Advance, Claim, Held, Places, Settled as Row, Warehouse, WarehouseError},
};
use serde::{Deserialize, Serialize};

use crate::judge::Before;

/// Identities taken into the window at a time while it is rebuilt.
const REBUILD_STEP: usize = 1 << 16;

/// What is committed with each offset.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Metadata {
    /// The release that judged.
    version: String,
    /// The newest log timestamp of the partition: from 15 minutes before it the window is rebuilt.
    newest_ms: Option<i64>,
    /// The batch from the offset on is being written: where it ends, and where its rows go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    declared: Option<(i64, Places)>,
    /// What the tables were known to have from the offset on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<Held>,
}

/// How far a batch goes on a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) first_offset: i64,
    pub(crate) next_offset: i64,
    /// None where nothing was read.
    pub(crate) newest_ms: Option<i64>,
}

pub(crate) fn reach(records: &[Record]) -> BTreeMap<u32, Reach> {
    let one = |record: &Record| Reach {
        first_offset: record.offset,
        next_offset: record.offset + 1,
        newest_ms: Some(record.timestamp_ms),
    };
    joined(records.iter().map(|record| (record.partition, one(record))))
}

/// Of each partition all of it as one.
fn joined(parts: impl Iterator<Item = (u32, Reach)>) -> BTreeMap<u32, Reach> {
    let mut reach = BTreeMap::<u32, Reach>::new();
    for (partition, part) in parts {
        let join = |known: &mut Reach| {
            known.first_offset = known.first_offset.min(part.first_offset);
            known.next_offset = known.next_offset.max(part.next_offset);
            known.newest_ms = known.newest_ms.max(part.newest_ms);
        };
        reach.entry(partition).and_modify(join).or_insert(part);
    }
    reach
}

/// Takes into a batch's reach what expired next to its records.
pub(crate) fn widen(reach: &mut BTreeMap<u32, Reach>, gaps: &[Gap]) {
    for Gap { partition, offsets } in gaps {
        let Some(known) = reach.get_mut(partition) else { continue };
        if offsets.end <= known.first_offset {
            known.first_offset = offsets.start.min(known.first_offset);
        } else if offsets.start == known.next_offset {
            known.next_offset = offsets.end;
        }
    }
}

/// Whether a batch comes to a gap, or none of the rest will.
pub(crate) fn is_reached(gap: &Gap, reach: &BTreeMap<u32, Reach>, rest: &[Record]) -> bool {
    let Some(known) = reach.get(&gap.partition) else { return false };
    gap.offsets.start <= known.next_offset
        || rest.iter().all(|record| record.partition != gap.partition)
}

/// How far one goes on partitions of which there is nothing to be read.
pub(crate) fn past<'g>(gaps: impl Iterator<Item = &'g Gap>) -> BTreeMap<u32, Reach> {
    let one = |gap: &Gap| Reach {
        first_offset: gap.offsets.start,
        next_offset: gap.offsets.end,
        newest_ms: None,
    };
    joined(gaps.map(|gap| (gap.partition, one(gap))))
}

/// Source positions that the tables hold although the log's offsets are behind them.
#[derive(Debug, Default)]
pub(crate) struct Settled(HashMap<u32, Partition>);

#[derive(Debug, Default)]
struct Partition {
    /// How far the tables go.
    at: Option<i64>,
    /// What is committed, as far as we know.
    committed: Metadata,
    /// What of it was judged before, in the order of offsets.
    held: Vec<Held>,
    /// The tables' rows of it.
    rows: HashMap<i64, Row>,
}

impl Settled {
    /// Takes partitions over, as the log has assigned them: asks the tables what they have of them.
    pub(crate) async fn take_over(
        &mut self,
        warehouse: &dyn Warehouse,
        log_id: &str,
        assigned: &[Assigned],
    ) -> Result<(), WarehouseError> {
        let part = |assigned: &Assigned| {
            // What another program has committed says nothing.
            let committed = serde_json::from_str(&assigned.metadata).unwrap_or_default();
            (assigned.partition, assigned.next_offset, committed)
        };
        self.learn(warehouse, log_id, assigned.iter().map(part).collect()).await
    }

    /// Asks the tables again where a batch begins that they did not take.
    pub(crate) async fn look_again(
        &mut self,
        warehouse: &dyn Warehouse,
        log_id: &str,
        reach: &BTreeMap<u32, Reach>,
    ) -> Result<(), WarehouseError> {
        let part = |(partition, reach): (&u32, &Reach)| {
            let known = self.0.get(partition).map(|known| known.committed.clone());
            (*partition, reach.first_offset, known.unwrap_or_default())
        };
        self.learn(warehouse, log_id, reach.iter().map(part).collect()).await
    }

    async fn learn(
        &mut self,
        warehouse: &dyn Warehouse,
        log_id: &str,
        parts: Vec<(u32, i64, Metadata)>,
    ) -> Result<(), WarehouseError> {
        let claim = |(partition, next_offset, committed): &(u32, i64, Metadata)| Claim {
            partition: *partition,
            next_offset: *next_offset,
            declared: committed.declared.clone(),
            held: committed.held.clone(),
        };
        let claims: Vec<_> = parts.iter().map(claim).collect();
        let found = warehouse.recover(log_id, &claims).await?;
        for (partition, _, committed) in parts {
            self.0.insert(partition, Partition { committed, ..Partition::default() });
        }
        for found in found {
            if let Some(last) = found.held.last() {
                tracing::info!(partition = found.partition, until = last.until, "process.settle");
            }
            let known = self.0.entry(found.partition).or_default();
            (known.at, known.held) = (found.at, found.held);
            known.rows = found.rows.into_iter().map(|row| (row.offset, row)).collect();
        }
        Ok(())
    }

    /// Whether the tables have all that a batch adds to them.
    pub(crate) fn have(&self, reach: &BTreeMap<u32, Reach>) -> bool {
        reach.iter().all(|(partition, reach)| {
            let last = self
                .0
                .get(partition)
                .and_then(|known| known.held.iter().find(|held| reach.next_offset <= held.until));
            last.is_some_and(|held| held.complete && !held.missing.ledger)
        })
    }

    /// Before which offset the tables have what the ledger is to say of a partition, although the
    /// log's offsets may be behind it.
    pub(crate) fn counted(&self, partition: u32) -> i64 {
        let held = self.0.get(&partition).into_iter().flat_map(|known| &known.held);
        let counted = held.filter(|held| !held.missing.ledger).map(|held| held.until);
        counted.max().unwrap_or_default()
    }

    /// How far a batch moves on: never back.
    pub(crate) fn positions(&self, reach: &BTreeMap<u32, Reach>) -> Vec<Advance> {
        let advance = |(partition, reach): (&u32, &Reach)| {
            let (partition, to) = (*partition, reach.next_offset);
            let from = self.0.get(&partition).and_then(|known| known.at);
            from.is_none_or(|from| to > from).then_some(Advance { partition, from, to })
        };
        reach.iter().filter_map(advance).collect()
    }

    /// What declares a batch: its places, at the unchanged offsets.
    pub(crate) fn declaration(
        &self,
        reach: &BTreeMap<u32, Reach>,
        version: &str,
        places: &Places,
    ) -> Vec<(u32, i64, Metadata)> {
        let declare = |(partition, reach): (&u32, &Reach)| {
            let known = self.0.get(partition);
            let metadata = Metadata {
                version: version.to_owned(),
                newest_ms: known.and_then(|known| known.committed.newest_ms),
                declared: Some((reach.next_offset, places.clone())),
                held: known.map_or_else(Vec::new, |known| known.held.clone()),
            };
            (*partition, reach.first_offset, metadata)
        };
        reach.iter().map(declare).collect()
    }

    /// What commits a batch: its offsets, and what the tables have beyond them.
    pub(crate) fn commitment(
        &self,
        reach: &BTreeMap<u32, Reach>,
        version: &str,
    ) -> Vec<(u32, i64, Metadata)> {
        let commit = |(partition, reach): (&u32, &Reach)| {
            let beyond = |held: &&Held| held.until > reach.next_offset;
            let newest = self.0.get(partition).and_then(|known| known.committed.newest_ms);
            let known = self.0.get(partition).map_or(&[][..], |known| &known.held);
            let metadata = Metadata {
                version: version.to_owned(),
                newest_ms: reach.newest_ms.or(newest),
                declared: None,
                held: known.iter().filter(beyond).copied().collect(),
            };
            (*partition, reach.next_offset, metadata)
        };
        reach.iter().map(commit).collect()
    }

    /// The tables go this far now.
    pub(crate) fn written(&mut self, positions: &[Advance]) {
        for advance in positions {
            self.0.entry(advance.partition).or_default().at = Some(advance.to);
        }
    }

    /// The log has these offsets now: what is settled before one is not asked for again. What is
    /// after it is: a batch that a crash left may come back in parts.
    pub(crate) fn committed(&mut self, offsets: Vec<(u32, i64, Metadata)>) {
        for (partition, next_offset, metadata) in offsets {
            let known = self.0.entry(partition).or_default();
            known.rows.retain(|offset, _| *offset >= next_offset);
            known.held.retain(|held| held.until > next_offset);
            known.committed = metadata;
        }
    }
}

impl Before for Settled {
    fn judgement(&self, partition: u32, offset: i64) -> Judgement {
        let Some(known) = self.0.get(&partition) else { return Judgement::Rules };
        let Some(held) = known.held.iter().find(|held| offset < held.until) else {
            return Judgement::Rules;
        };
        match known.rows.get(&offset) {
            Some(row) if row.event => Judgement::Settled(Verdict::Event, held.missing),
            Some(_) => Judgement::Settled(Verdict::Letter, held.missing),
            None if held.complete => Judgement::Settled(Verdict::Duplicate, held.missing),
            None => Judgement::Rules,
        }
    }

    fn minute(&self, partition: u32, offset: i64) -> Option<&Key> {
        self.0.get(&partition)?.rows.get(&offset)?.minute.as_ref()
    }
}

/// Offsets as the log takes them.
pub(crate) fn offsets(parts: &[(u32, i64, Metadata)]) -> Vec<Committed> {
    let offset = |(partition, next_offset, metadata): &(u32, i64, Metadata)| Committed {
        partition: *partition,
        next_offset: *next_offset,
        metadata: serde_json::to_string(metadata).unwrap_or_default(),
    };
    parts.iter().map(offset).collect()
}

/// Fills the window with the identities accepted lately on partitions that are ours from now on:
/// from 15 minutes before what was committed there.
pub(crate) async fn rebuild(
    window: &mut Window,
    reader: &dyn Reader,
    settled: &Settled,
    assigned: &[Assigned],
) -> Result<usize, LogError> {
    let newest = |assigned: &Assigned| {
        let known = settled.0.get(&assigned.partition)?;
        Some((assigned.partition, known.committed.newest_ms?))
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
    // What a foreign record says of its time may be anything: there is none before 1970.
    reader.scan(Topic::Enriched, &partitions, (oldest - span).max(0), &mut take).await?;
    window.commit();
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    #[test]
    fn a_gap_in_the_middle_is_counted_where_a_batch_comes_to_it() {
        let record = |offset| Record {
            partition: 3,
            offset,
            timestamp_ms: 0,
            key: None,
            value: None,
            headers: questline_stores::Headers::default(),
        };
        let (gap, records) = (Gap { partition: 3, offsets: 10..15 }, [5, 6, 8, 9, 15].map(record));
        let is_reached_by = |batch: std::ops::Range<usize>| {
            is_reached(&gap, &reach(&records[batch.clone()]), &records[batch.end..])
        };
        assert!(!is_reached_by(0..2), "if that comes again, so does the gap");
        assert!(is_reached_by(2..4));
        assert!(is_reached_by(4..5));
        assert!(is_reached(&gap, &reach(&records[..2]), &[]), "nobody else comes there");
        assert!(!is_reached(&gap, &reach(&[]), &[]));
    }

    /// A log that takes no moment before 1970, as Kafka.
    struct Since1970;

    #[async_trait]
    impl Reader for Since1970 {
        fn log_id(&self) -> &'static str {
            "log"
        }

        async fn ends(&self, _: Topic) -> Result<Vec<i64>, LogError> {
            Ok(Vec::new())
        }

        async fn committed(&self, _: &str) -> Result<Vec<Option<i64>>, LogError> {
            Ok(Vec::new())
        }

        async fn scan(
            &self,
            _: Topic,
            _: &[u32],
            since_ms: i64,
            _: &mut (dyn for<'h> FnMut(&'h Head) + Send),
        ) -> Result<(), LogError> {
            let refused = || LogError::Unavailable(since_ms.to_string().into());
            (since_ms >= 0).then_some(()).ok_or_else(refused)
        }

        async fn record(&self, _: u32, _: i64) -> Result<Option<Record>, LogError> {
            Ok(None)
        }
    }

    #[tokio::test]
    async fn a_record_without_a_time_stops_no_partition() {
        let metadata = Metadata { newest_ms: Some(0), ..Metadata::default() };
        let known = Partition { committed: metadata, ..Partition::default() };
        let settled = Settled(HashMap::from([(5, known)]));
        let assigned = [Assigned { partition: 5, next_offset: 1, metadata: String::new() }];
        let rebuilt = rebuild(&mut Window::default(), &Since1970, &settled, &assigned).await;
        assert!(matches!(rebuilt, Ok(0)), "{rebuilt:?}");
    }
}
