//! A warehouse as one process sees it: slow, away, short of answers; what it writes is all or nothing.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use questline_stores::{
    letters::{Cursor, Letters, Selection, WaitingLetter},
    warehouse::{Advance, LedgerState, Rows, Settled, Warehouse, WarehouseError},
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

    fn append(&self, rows: &Rows) -> Result<(), WarehouseError> {
        let written = self.tables().write(rows, !self.world.has(Plant::NoFence));
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
}

fn away() -> WarehouseError {
    WarehouseError::Unavailable("simulated".into())
}

#[async_trait]
impl Warehouse for SimWarehouse {
    async fn write(&self, rows: Rows) -> Result<(), WarehouseError> {
        self.life.pass().await;
        if self.world.has(Plant::OffsetsBeforeRows) && !rows.positions.is_empty() {
            let late = self.clone();
            tokio::spawn(async move {
                late.world.pass(1..2_000).await;
                late.life.pass().await;
                late.append(&rows)
            });
            return Ok(());
        }
        self.world.pass(1..60).await;
        self.life.pass().await;
        if !self.world.warehouse_up.get() || self.world.fails(40) {
            return Err(away());
        }
        self.append(&rows)?;
        self.world.pass(1..60).await;
        self.life.pass().await;
        if self.world.fails(40) { Err(away()) } else { Ok(()) }
    }

    async fn positions(&self, _: &str) -> Result<Vec<(u32, i64)>, WarehouseError> {
        self.ask(|tables| tables.positions.iter().map(|(at, next)| (*at, *next)).collect()).await
    }

    async fn settled(
        &self,
        _: &str,
        ranges: &[(u32, Range<i64>)],
    ) -> Result<Vec<Settled>, WarehouseError> {
        let forgets = self.world.has(Plant::NothingSettled);
        self.ask(|tables| if forgets { Vec::new() } else { tables.settled(ranges) }).await
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
