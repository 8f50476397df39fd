//! The daily run's ports: each step on a connection of its own, beside the writer. What reads a
//! whole day waits for its turn.

use arrow_array::RecordBatch;
use async_trait::async_trait;
use questline_events::Day;
use questline_stores::{
    daily::{
        Attempt, Broken, Check, CheckResult, Daily, KnownDay, Readiness, Residue, Runs, Snapshot,
        Table,
    },
    warehouse::WarehouseError,
};

use crate::{DuckdbWarehouse, daily, runs};

#[async_trait]
impl Daily for DuckdbWarehouse {
    async fn readiness(&self, day: Day) -> Result<Readiness, WarehouseError> {
        self.look(move |database| daily::readiness(database, day)).await
    }

    async fn replace(
        &self,
        table: Table,
        day: Day,
        playtime_types: &str,
    ) -> Result<Option<Snapshot>, WarehouseError> {
        let types = playtime_types.to_owned();
        self.look_at_day(move |database| daily::replace(database, table, day, &types)).await
    }

    async fn check(&self, check: &Check, day: Day, most: usize) -> Result<Broken, WarehouseError> {
        let name = check.name;
        self.look_at_day(move |database| daily::check(database, name, day, most)).await
    }

    async fn keep(
        &self,
        day: Day,
        run: &str,
        results: &[CheckResult],
    ) -> Result<(), WarehouseError> {
        let (run, results) = (run.to_owned(), results.to_vec());
        self.look(move |database| daily::keep(database, day, &run, &results)).await
    }

    async fn kept(&self, day: Day, run: &str) -> Result<Vec<CheckResult>, WarehouseError> {
        let run = run.to_owned();
        self.look(move |database| daily::kept(database, day, &run)).await
    }

    async fn residue(&self, day: Day) -> Result<Residue, WarehouseError> {
        self.look(move |database| daily::residue(database, day)).await
    }

    async fn features(&self, day: Day) -> Result<Vec<RecordBatch>, WarehouseError> {
        self.look(move |database| daily::features(database, day)).await
    }
}

#[async_trait]
impl Runs for DuckdbWarehouse {
    fn alone(&self) -> bool {
        true
    }

    async fn attempts(&self, from: Day, through: Day) -> Result<Vec<Attempt>, WarehouseError> {
        self.look(move |database| runs::attempts(database, from, through)).await
    }

    async fn begin(&self, attempt: &Attempt) -> Result<bool, WarehouseError> {
        let attempt = attempt.clone();
        self.ask(move |database| runs::begin(database, &attempt)).await
    }

    async fn record(&self, attempt: &Attempt) -> Result<(), WarehouseError> {
        let attempt = attempt.clone();
        self.ask(move |database| runs::record(database, &attempt)).await
    }

    async fn touch(&self, from: Day, through: Day, now: i64) -> Result<(), WarehouseError> {
        self.look_at_day(move |database| runs::touch(database, from, through, now)).await
    }

    async fn days(&self, from: Day, through: Day) -> Result<Vec<KnownDay>, WarehouseError> {
        self.look(move |database| runs::days(database, from, through)).await
    }
}
