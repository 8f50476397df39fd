//! A warehouse as one process sees it: slow, away, short of answers; what it writes is all or
//! nothing, of a batch in some worlds, of one table of a batch in the others.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use questline_stores::{
    declared::{Appended, Declared, Streams},
    letters::{Cursor, Letters, Selection, WaitingLetter},
    warehouse::{
        Advance, BatchLimits, Claim, Found, LedgerState, Place, Rows, Settled, Warehouse,
        WarehouseError,
    },
};

use crate::{life::Life, plant::Plant, tables::Tables, world::World};

/// The warehouse as one process has it.
#[derive(Clone)]
pub struct SimWarehouse {
    world: Arc<World>,
    life: Arc<Life>,
    tables: Arc<Mutex<Tables>>,
}

impl SimWarehouse {
    /// Some tables, as a process sees them.
    #[must_use]
    pub fn new(world: &Arc<World>, tables: &Arc<Mutex<Tables>>, life: &Arc<Life>) -> Self {
        Self { world: world.clone(), life: life.clone(), tables: tables.clone() }
    }

    /// As processing has it: in some worlds a batch is one transaction, in others it is declared.
    #[must_use]
    pub fn of_world(self) -> Arc<dyn Warehouse> {
        if self.world.streams { Arc::new(Declared::new(self)) } else { Arc::new(self) }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One question, and its answer.
    async fn ask<T>(&self, question: impl FnOnce(&Tables) -> T) -> Result<T, WarehouseError> {
        self.life.pass().await;
        self.world.pass(0..20).await;
        self.life.pass().await;
        if !self.world.warehouse_up.get() || self.world.fails(40) {
            return Err(away());
        }
        let answer = question(&self.tables());
        self.world.pass(0..20).await;
        self.life.pass().await;
        Ok(answer)
    }

    /// One change, which may happen although it seems to have failed.
    async fn change<T>(
        &self,
        change: impl FnOnce(&mut Tables) -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        self.life.pass().await;
        self.world.pass(1..60).await;
        self.life.pass().await;
        if !self.world.warehouse_up.get() || self.world.fails(40) {
            return Err(away());
        }
        let changed = change(&mut self.tables())?;
        self.world.pass(1..60).await;
        self.life.pass().await;
        if self.world.fails(40) { Err(away()) } else { Ok(changed) }
    }

    /// The same, long after it is said to be done.
    fn change_later(&self, change: impl FnOnce(&Self) + Send + 'static) {
        let late = self.clone();
        tokio::spawn(async move {
            late.world.pass(1..2_000).await;
            late.life.pass().await;
            change(&late);
        });
    }

    fn write_all(&self, tables: &mut Tables, rows: &Rows) -> Result<(), WarehouseError> {
        let written = tables.write(rows, !self.world.has(Plant::NoFence));
        let moved = |moved: &Advance| [moved.partition.into(), moved.from.unwrap_or(0), moved.to];
        let moved: Vec<i64> = rows.positions.iter().flat_map(moved).collect();
        match &written {
            Ok(()) => self.world.note("written", &moved),
            Err(WarehouseError::Refused(rows)) => {
                self.world.note("refused", &[i64::try_from(rows.len()).unwrap_or(i64::MAX)]);
            }
            Err(_) => self.world.note("fenced by the tables", &moved),
        }
        written
    }

    fn append_to(&self, tables: &mut Tables, to: &Place, rows: &RecordBatch) -> Appended {
        let appended = tables.append_to(to, rows, !self.world.has(Plant::NoFence));
        let count = i64::try_from(rows.num_rows()).unwrap_or(i64::MAX);
        self.world.note(&format!("{}: {appended:?}", to.stream), &[to.row, to.row + count]);
        appended
    }

    fn settle(&self, tables: &Tables, ranges: &[(u32, Range<i64>)]) -> Vec<Settled> {
        if self.world.has(Plant::NothingSettled) { Vec::new() } else { tables.settled(ranges) }
    }
}

fn away() -> WarehouseError {
    WarehouseError::Unavailable("simulated".into())
}

/// Where a batch is one transaction.
#[async_trait]
impl Warehouse for SimWarehouse {
    async fn write(&self, rows: Rows) -> Result<(), WarehouseError> {
        if self.world.has(Plant::OffsetsBeforeRows) && !rows.positions.is_empty() {
            self.life.pass().await;
            self.change_later(move |late| _ = late.write_all(&mut late.tables(), &rows));
            return Ok(());
        }
        self.change(|tables| self.write_all(tables, &rows)).await
    }

    async fn recover(&self, _: &str, claims: &[Claim]) -> Result<Vec<Found>, WarehouseError> {
        let found = |tables: &Tables, claim: &Claim| {
            let at = tables.positions.get(&claim.partition).copied();
            let mut found = Found::of_transactions(claim, at);
            if let Some(held) = found.held.last() {
                let range = (claim.partition, claim.next_offset..held.until);
                found.rows = self.settle(tables, &[range]);
            }
            found
        };
        self.ask(|tables| claims.iter().map(|claim| found(tables, claim)).collect()).await
    }

    async fn ledger(&self, _: &str) -> Result<LedgerState, WarehouseError> {
        self.ask(Tables::ledger_state).await
    }
}

/// Where it is not.
#[async_trait]
impl Streams for SimWarehouse {
    /// So small that many a batch is cut.
    fn batch(&self) -> BatchLimits {
        BatchLimits { table_bytes: 8_192, ..BatchLimits::default() }
    }

    async fn create(&self, table: &str) -> Result<String, WarehouseError> {
        self.change(|tables| Ok(tables.stream(table))).await
    }

    async fn append(&self, to: &Place, rows: &RecordBatch) -> Result<Appended, WarehouseError> {
        if self.world.has(Plant::OffsetsBeforeRows) {
            self.life.pass().await;
            let (to, rows) = (to.clone(), rows.clone());
            self.change_later(move |late| _ = late.append_to(&mut late.tables(), &to, &rows));
            return Ok(Appended::There);
        }
        self.change(|tables| Ok(self.append_to(tables, to, rows))).await
    }

    async fn finalize(&self, _: &str, stream: &str) -> Result<Option<i64>, WarehouseError> {
        let rows = self.change(|tables| Ok(tables.finalize(stream))).await?;
        self.world.note(&format!("{stream} is finalized"), &[rows.unwrap_or(-1)]);
        Ok(rows)
    }

    async fn add(&self, table: &str, rows: &RecordBatch) -> Result<(), WarehouseError> {
        self.change(|tables| {
            tables.append(table, rows);
            Ok(())
        })
        .await
    }

    async fn settled(
        &self,
        _: &str,
        ranges: &[(u32, Range<i64>)],
        _: Option<(i32, i32)>,
    ) -> Result<Vec<Settled>, WarehouseError> {
        self.ask(|tables| self.settle(tables, ranges)).await
    }

    async fn ledger(&self, _: &str) -> Result<LedgerState, WarehouseError> {
        self.ask(Tables::ledger_state).await
    }
}

#[async_trait]
impl Letters for SimWarehouse {
    async fn waiting(
        &self,
        selection: &Selection,
        after: &Cursor,
        most: usize,
    ) -> Result<Vec<WaitingLetter>, WarehouseError> {
        let mut waiting = self.ask(|tables| tables.waiting(selection, after)).await?;
        waiting.truncate(most);
        Ok(waiting)
    }

    async fn count(&self, selection: &Selection) -> Result<u64, WarehouseError> {
        self.ask(|tables| tables.waiting(selection, &Cursor::default()).len() as u64).await
    }
}
