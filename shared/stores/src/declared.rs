//! A warehouse without transactions, whose batches are declared: the one place where it is said how
//! every row comes to be there once.
//!
//! A table is written through streams. A stream takes rows at a row number, and whoever appends
//! there again is told that it has them; nobody appends to it any more once it is finalized, which
//! also tells how many rows it has. One table of one batch is one append, so it is there or not.
//!
//! 1. *Declare*: the log keeps, at the unchanged offset, where the batch ends and where each table's
//!    rows will go. So a stream is named there before its first use. A log that refuses this has
//!    another owner for the partitions, and nothing is written. A place is declared for one batch
//!    only: partitions of one that was never written go to other owners, who must not take what is
//!    there for theirs.
//! 2. *Write*: events, then letters, then the rest. What the warehouse refuses for its content is
//!    known before anything else is written, and what is written last needs nothing to be judged.
//! 3. *Commit*: the log's transaction moves the offsets, and says nothing of places any more.
//!
//! *Recover*: of a declaration that was not followed by its commit, the streams are finalized: the
//! one who declared it, if it still lives, writes nothing more, and declares anew. Each stream's
//! rows tell whether the batch's were appended. Where events or letters were, the tables are asked
//! for their source positions, so that every record keeps its verdict, also under another release
//! and where partitions of one batch have gone to several owners; the other tables get what they
//! miss. What is known so is committed with the next declaration, and remains until the offsets
//! have passed it: also a batch that comes back in parts, or whose recovery crashes, is told apart.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use arrow_array::{Array as _, ArrayRef, RecordBatch, cast::AsArray as _, types::Date32Type};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use questline_events::{
    batch::Missing,
    row::{EventRows, LedgerRows, LetterRows, MinuteRows, ReprocessedRows},
};
use tokio::sync::Mutex;

use crate::warehouse::{
    BatchLimits, Claim, Found, Held, LedgerState, Place, Places, Rows, Settled, Warehouse,
    WarehouseError,
};

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// The stream has the rows, from this append or an earlier one.
    There,
    /// The table refuses these rows for their content; none was appended.
    Refused(Vec<usize>),
    /// The stream takes nothing any more, or not from there on.
    Closed,
}

/// What is asked of the warehouse below.
#[async_trait]
pub trait Streams: Send + Sync {
    /// How much a batch may be, so that each of its tables is one append.
    fn batch(&self) -> BatchLimits;

    /// Makes a stream of a table, and gives its name.
    async fn create(&self, table: &str) -> Result<String, WarehouseError>;

    /// Appends rows from a row of a stream on.
    async fn append(&self, to: &Place, rows: &RecordBatch) -> Result<Appended, WarehouseError>;

    /// Ends a stream, and tells how many rows it has; none if there is no such stream. Twice is once.
    async fn finalize(&self, table: &str, stream: &str) -> Result<Option<i64>, WarehouseError>;

    /// Writes rows at least once.
    async fn add(&self, table: &str, rows: &RecordBatch) -> Result<(), WarehouseError>;

    /// Which source positions of some ranges the tables hold, looked for among events of some days.
    async fn settled(
        &self,
        log_id: &str,
        ranges: &[(u32, Range<i64>)],
        days: Option<(i32, i32)>,
    ) -> Result<Vec<Settled>, WarehouseError>;

    /// See [`Warehouse::ledger`].
    async fn ledger(&self, log_id: &str) -> Result<LedgerState, WarehouseError>;
}

/// A warehouse of streams.
#[derive(Debug)]
pub struct Declared<S> {
    streams: S,
    /// The stream of each table that this process appends to, and its next row; while a batch is
    /// declared and not written, none.
    open: Mutex<HashMap<String, Place>>,
}

impl<S> Declared<S> {
    /// The warehouse of some streams.
    pub fn new(streams: S) -> Self {
        Self { streams, open: Mutex::default() }
    }
}

impl<S: Streams> Declared<S> {
    /// Appends the rows of some tables where they were declared to go.
    async fn append(
        &self,
        rows: &Rows,
        places: &Places,
        tables: &[&str],
    ) -> Result<(), WarehouseError> {
        let appends = places.tables.iter().filter(|place| tables.contains(&place.table.as_str()));
        let appends = appends.filter_map(|place| {
            let of_table = |(table, _): &&(&str, RecordBatch)| *table == place.table;
            let (table, batch) = rows.tables.iter().find(of_table)?;
            Some(async move {
                let appended = self.streams.append(place, batch).await?;
                Ok::<_, WarehouseError>((*table, place, batch.num_rows(), appended))
            })
        });
        let appended = try_join_all(appends).await?;
        let mut open = self.open.lock().await;
        for (table, place, count, appended) in appended {
            match appended {
                Appended::There => {
                    let row = place.row + i64::try_from(count).unwrap_or(i64::MAX);
                    open.insert(table.to_owned(), Place { row, ..place.clone() });
                }
                Appended::Refused(rows) if table == EventRows::TABLE => {
                    return Err(WarehouseError::Refused(rows));
                }
                Appended::Refused(rows) => {
                    return Err(WarehouseError::Damaged {
                        place: table.to_owned(),
                        cause: format!("it refuses {} rows that are ours", rows.len()).into(),
                    });
                }
                Appended::Closed => {
                    open.clear();
                    return Err(WarehouseError::Fenced);
                }
            }
        }
        Ok(())
    }

    /// Ends every stream that a claim names; how many rows each has.
    async fn finalize<'c>(
        &self,
        claims: &'c [Claim],
    ) -> Result<BTreeMap<&'c str, Option<i64>>, WarehouseError> {
        let declared = claims.iter().filter_map(|claim| claim.declared.as_ref());
        let mut counts = BTreeMap::new();
        for place in declared.flat_map(|(_, places)| &places.tables) {
            if !counts.contains_key(place.stream.as_str()) {
                let rows = self.streams.finalize(&place.table, &place.stream).await?;
                if rows.is_none_or(|rows| rows < place.row) {
                    let (table, stream) = (&place.table, &place.stream);
                    tracing::error!(
                        table,
                        stream,
                        rows,
                        before = place.row,
                        "warehouse.stream_lost"
                    );
                }
                counts.insert(place.stream.as_str(), rows);
            }
        }
        self.open.lock().await.retain(|_, place| !counts.contains_key(place.stream.as_str()));
        Ok(counts)
    }
}

/// What the tables have, as far as the log and the streams' rows tell.
fn held(claim: &Claim, counts: &BTreeMap<&str, Option<i64>>) -> Vec<Held> {
    let Some((end, places)) = &claim.declared else { return claim.held.clone() };
    // Not named: the batch had no rows of it.
    let appended = |table: &str| {
        let place = places.tables.iter().find(|place| place.table == table)?;
        Some(
            counts
                .get(place.stream.as_str())
                .copied()
                .flatten()
                .is_some_and(|rows| rows > place.row),
        )
    };
    let events = appended(EventRows::TABLE).unwrap_or(true);
    let judged = events && appended(LetterRows::TABLE).unwrap_or(true);
    let lacks = |before: bool, table: &str| before && appended(table) != Some(true);
    let declared = |until: i64, before: Option<&Held>| {
        let missing = before.map_or(Missing::ALL, |before| before.missing);
        let held = Held {
            until,
            complete: judged || before.is_some_and(|before| before.complete),
            missing: Missing {
                minutes: lacks(missing.minutes, MinuteRows::TABLE),
                reprocessed: lacks(missing.reprocessed, ReprocessedRows::TABLE),
                ledger: lacks(missing.ledger, LedgerRows::TABLE),
            },
            days: both(before.and_then(|before| before.days), places.days),
        };
        // Nothing of it is there.
        (events || before.is_some()).then_some(held)
    };
    let (mut held, mut from) = (Vec::new(), claim.next_offset);
    for before in &claim.held {
        if from < *end {
            held.extend(declared(before.until.min(*end), Some(before)));
        }
        if before.until > *end {
            held.push(*before);
        }
        from = before.until;
    }
    if from < *end {
        held.extend(declared(*end, None));
    }
    // Alike, they are one: a batch that never comes to its end would have ever more of them, until
    // the log takes no more.
    held.dedup_by(|next, one| {
        let alike = (next.complete, next.missing) == (one.complete, one.missing);
        if alike {
            (one.until, one.days) = (next.until, both(one.days, next.days));
        }
        alike
    });
    held
}

fn both(one: Option<(i32, i32)>, other: Option<(i32, i32)>) -> Option<(i32, i32)> {
    match (one, other) {
        (Some((from, to)), Some((first, last))) => Some((from.min(first), to.max(last))),
        (one, other) => one.or(other),
    }
}

/// What the rows of a table weigh.
#[must_use]
pub fn bytes(batch: &RecordBatch) -> usize {
    let column = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
    batch.columns().iter().map(column).fold(0, usize::saturating_add)
}

/// The first and the last day of events.
fn days(events: &RecordBatch) -> Option<(i32, i32)> {
    let days = events.column_by_name("event_date")?.as_primitive_opt::<Date32Type>()?;
    Some((*days.values().iter().min()?, *days.values().iter().max()?))
}

#[async_trait]
impl<S: Streams> Warehouse for Declared<S> {
    fn batch(&self) -> BatchLimits {
        self.streams.batch()
    }

    async fn declare(&self, rows: &Rows) -> Result<Option<Places>, WarehouseError> {
        let most = self.streams.batch().table_bytes;
        if rows.tables.iter().any(|(_, batch)| bytes(batch) > most) {
            return Err(WarehouseError::TooLarge);
        }
        let mut open = self.open.lock().await;
        let mut places = Places::default();
        for (table, batch) in rows.tables.iter().filter(|(_, batch)| batch.num_rows() > 0) {
            // A place is declared once: that something is there must say which batch it is.
            let place = match open.remove(*table) {
                Some(place) => place,
                None => Place {
                    stream: self.streams.create(table).await?,
                    table: (*table).to_owned(),
                    row: 0,
                },
            };
            places.tables.push(place);
            if *table == EventRows::TABLE {
                places.days = days(batch);
            }
        }
        Ok(Some(places))
    }

    async fn write(&self, rows: Rows) -> Result<(), WarehouseError> {
        let Some(places) = &rows.places else {
            for (table, batch) in rows.tables.iter().filter(|(_, batch)| batch.num_rows() > 0) {
                self.streams.add(table, batch).await?;
            }
            return Ok(());
        };
        self.append(&rows, places, &[EventRows::TABLE]).await?;
        self.append(&rows, places, &[LetterRows::TABLE]).await?;
        let rest = [MinuteRows::TABLE, ReprocessedRows::TABLE, LedgerRows::TABLE];
        self.append(&rows, places, &rest).await
    }

    async fn recover(&self, log_id: &str, claims: &[Claim]) -> Result<Vec<Found>, WarehouseError> {
        let counts = self.finalize(claims).await?;
        let found = |claim: &Claim| {
            let (partition, held) = (claim.partition, held(claim, &counts));
            Found { partition, at: None, held, rows: Vec::new() }
        };
        let mut found: Vec<_> = claims.iter().map(found).collect();
        let range = |(claim, found): (&Claim, &Found)| {
            found.held.last().map(|last| (claim.partition, claim.next_offset..last.until))
        };
        let ranges: Vec<_> = claims.iter().zip(&found).filter_map(range).collect();
        if ranges.is_empty() {
            return Ok(found);
        }
        let days = found.iter().flat_map(|found| &found.held).map(|held| held.days);
        let days = days.fold(None, both);
        for row in self.streams.settled(log_id, &ranges, days).await? {
            if let Some(found) = found.iter_mut().find(|found| found.partition == row.partition) {
                found.rows.push(row);
            }
        }
        Ok(found)
    }

    async fn ledger(&self, log_id: &str) -> Result<LedgerState, WarehouseError> {
        self.streams.ledger(log_id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch that was declared from offset 0 to before 10, with so many rows before its own.
    fn claim(tables: &[(&str, i64)], held: &[Held]) -> Claim {
        let place = |(table, row): &(&str, i64)| Place {
            table: (*table).to_owned(),
            stream: (*table).to_owned(),
            row: *row,
        };
        let places = Places { tables: tables.iter().map(place).collect(), days: Some((7, 8)) };
        let declared = Some((10, places));
        Claim { partition: 0, next_offset: 0, declared, held: held.to_vec() }
    }

    fn counts<'t>(rows: &[(&'t str, i64)]) -> BTreeMap<&'t str, Option<i64>> {
        rows.iter().map(|(table, rows)| (*table, Some(*rows))).collect()
    }

    /// (until, complete, lacks minutes, lacks the ledger).
    fn seen(held: &[Held]) -> Vec<(i64, bool, bool, bool)> {
        let one =
            |held: &Held| (held.until, held.complete, held.missing.minutes, held.missing.ledger);
        held.iter().map(one).collect()
    }

    const ALL: [(&str, i64); 4] =
        [("events", 5), ("events_dlq", 0), ("events_agg_1min", 2), ("ledger", 3)];

    #[test]
    fn a_table_has_its_part_if_its_stream_goes_on() {
        let cases = [
            ([5, 0, 2, 3], vec![]),
            ([6, 0, 2, 3], vec![(10, false, true, true)]),
            ([6, 1, 2, 3], vec![(10, true, true, true)]),
            ([6, 1, 4, 3], vec![(10, true, false, true)]),
            ([6, 1, 4, 9], vec![(10, true, false, false)]),
        ];
        for (rows, expected) in cases {
            let rows: Vec<_> =
                ALL.iter().zip(rows).map(|((table, _), rows)| (*table, rows)).collect();
            assert_eq!(seen(&held(&claim(&ALL, &[]), &counts(&rows))), expected, "{rows:?}");
        }
        assert_eq!(
            held(&claim(&ALL, &[]), &BTreeMap::new()),
            [],
            "streams that are gone have nothing"
        );
    }

    #[test]
    fn a_table_that_is_not_named_had_no_rows() {
        let rows = [("events_dlq", 0), ("ledger", 0)];
        assert_eq!(seen(&held(&claim(&rows, &[]), &counts(&rows))), [(10, false, true, true)]);
        let ledger = [("ledger", 0)];
        assert_eq!(
            seen(&held(&claim(&ledger, &[]), &counts(&[("ledger", 1)]))),
            [(10, true, true, false)]
        );
    }

    #[test]
    fn what_was_known_before_stays_known() {
        let part = |until, complete, minutes| Held {
            until,
            complete,
            missing: Missing { minutes, reprocessed: false, ledger: true },
            days: Some((1, 2)),
        };
        let before = [part(4, true, false), part(8, false, true)];
        let nothing =
            counts(&[("events", 5), ("events_dlq", 0), ("events_agg_1min", 2), ("ledger", 3)]);
        let expected = [(4, true, false, true), (8, false, true, true)];
        assert_eq!(seen(&held(&claim(&ALL, &before), &nothing)), expected);
        let most =
            counts(&[("events", 6), ("events_dlq", 1), ("events_agg_1min", 3), ("ledger", 3)]);
        let found = held(&claim(&ALL, &before), &most);
        assert_eq!(seen(&found), [(8, true, false, true), (10, true, false, true)]);
        assert_eq!(found[0].days, Some((1, 8)));
        // A batch that went less far than what was known.
        let far = [part(12, true, true)];
        let expected = [(10, true, false, false), (12, true, true, true)];
        let all =
            counts(&[("events", 6), ("events_dlq", 1), ("events_agg_1min", 3), ("ledger", 4)]);
        assert_eq!(seen(&held(&claim(&ALL, &far), &all)), expected);
    }

    /// The log takes only so much text with an offset.
    #[test]
    fn attempts_without_end_are_told_as_one() {
        let (mut known, mut rows) = (Vec::new(), ALL);
        for end in 1..1_000 {
            let mut claim = claim(&rows, &known);
            claim.declared = claim.declared.map(|(_, places)| (end, places));
            rows = rows.map(|(table, rows)| (table, rows + 1));
            known = held(&claim, &counts(&rows));
        }
        assert_eq!(seen(&known), [(999, true, false, false)]);
    }
}
