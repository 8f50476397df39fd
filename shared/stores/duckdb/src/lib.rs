#![doc = include_str!("../README.md")]

mod daily;
mod database;
mod day;
mod letters;
mod query;
mod replay;
mod runs;
mod schema;
mod training;
mod values;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use async_trait::async_trait;
use database::{Cut, Database, Share, TO_WRITE, WHOLE};
use questline_events::Day;
use questline_stores::{
    letters::{Cursor, Letters, Selection, WaitingLetter},
    saved::{Ask, Question, Value},
    training::{TrainingRun, TrainingRuns},
    warehouse::{
        Answer, Claim, Found, LedgerState, Query, QueryError, QueryLimits, Rows, Warehouse,
        WarehouseError,
    },
};
use tokio::sync::{Semaphore, oneshot};

/// The file's name in the data directory.
pub const FILE: &str = "warehouse.duckdb";

/// Queries of people that run at a time; more wait.
const QUERIES: usize = 2;

/// Statements over a whole day at a time: each has the memory and the cores, and two of ten million
/// events had not memory enough.
const DAYS: usize = 1;

/// An open warehouse. Cloning is cheap.
#[derive(Clone)]
pub struct DuckdbWarehouse {
    jobs: mpsc::Sender<Job>,
    reader: Arc<Mutex<Database>>,
    turns: Arc<Semaphore>,
    days: Arc<Semaphore>,
}

/// Work for the thread that owns the writing connection.
type Job = Box<dyn FnOnce(&mut Database) + Send>;

impl DuckdbWarehouse {
    /// Opens the warehouse of a data directory, or makes one. May take seconds where a crash left
    /// much to be replayed.
    ///
    /// # Errors
    /// If another process has it, if it is damaged, or if its tables are of another release.
    pub fn open(directory: &Path) -> Result<Self, WarehouseError> {
        Self::within(directory, WHOLE)
    }

    /// The same with less memory and one thread, for whoever writes and does not query.
    ///
    /// # Errors
    /// As [`Self::open`]'s.
    pub fn open_to_write(directory: &Path) -> Result<Self, WarehouseError> {
        Self::within(directory, TO_WRITE)
    }

    fn within(directory: &Path, share: Share) -> Result<Self, WarehouseError> {
        let path: PathBuf = directory.join(FILE);
        let mut database = Database::open(&path, share)?;
        let reader = Arc::new(Mutex::new(database.again()?));
        let (jobs, inbox) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("warehouse-writer".to_owned())
            .spawn(move || {
                while let Ok(job) = inbox.recv() {
                    job(&mut database);
                }
                database.close();
            })
            .map_err(|error| WarehouseError::Unavailable(error.into()))?;
        let (turns, days) = (Semaphore::new(QUERIES).into(), Semaphore::new(DAYS).into());
        Ok(Self { jobs, reader, turns, days })
    }

    /// Ends the writer when all that was asked is done, so that the next opening is quick.
    pub async fn close(self) {
        let (reply, done) = oneshot::channel::<()>();
        let Self { jobs, reader, .. } = self;
        drop(reader);
        _ = jobs.send(Box::new(move |database| {
            database.close();
            drop(reply);
        }));
        // The sender is dropped, not used: either way the writer is done.
        _ = done.await;
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, WarehouseError> + Send + 'static,
    ) -> Result<T, WarehouseError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            let result = work(database);
            if matches!(result, Err(WarehouseError::Unavailable(_))) {
                database.recover();
            }
            // Whoever asked may have gone.
            _ = reply.send(result);
        });
        _ = self.jobs.send(job);
        answer.await.unwrap_or_else(|closed| Err(WarehouseError::Unavailable(closed.into())))
    }

    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, WarehouseError> + Send + 'static,
    ) -> Result<T, WarehouseError> {
        let database = self.reader.lock().unwrap_or_else(PoisonError::into_inner).again()?;
        // Whoever asked may go: a statement that nobody waits for is cut.
        let (_cut, ends) = database.cut();
        let looked = tokio::task::spawn_blocking(move || {
            let _ends = ends;
            work(&database)
        })
        .await;
        looked.unwrap_or_else(|panicked| Err(WarehouseError::Unavailable(panicked.into())))
    }

    /// The same over a whole day.
    async fn look_at_day<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, WarehouseError> + Send + 'static,
    ) -> Result<T, WarehouseError> {
        // Never closed.
        let _turn = self.days.acquire().await;
        self.look(work).await
    }

    /// One SELECT on a connection of its own: rows go on being written meanwhile.
    async fn select(
        &self,
        sql: &str,
        values: Vec<Value>,
        limits: QueryLimits,
    ) -> Result<Answer, QueryError> {
        let unavailable = |cause: questline_stores::Cause| QueryError::Unavailable(cause);
        let turn = tokio::time::timeout(limits.timeout, self.turns.clone().acquire_owned());
        let turn = turn.await.map_err(|_| QueryError::Timeout(limits.timeout))?;
        let connection = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .connection()
            .map_err(|error| unavailable(error.into()))?;
        // Dropped, it cuts the query: when its time is up, or whoever asked has gone.
        let (_cut, ends) = Cut::of(&connection);
        let sql = sql.to_owned();
        let work = tokio::task::spawn_blocking(move || {
            // Kept until the query has really ended.
            let _turn = turn;
            let _ends = ends;
            query::run(&connection, &sql, &values, limits)
        });
        let done = tokio::time::timeout(limits.timeout, work).await;
        let done = done.map_err(|_| QueryError::Timeout(limits.timeout))?;
        done.map_err(|panicked| unavailable(panicked.into()))?
    }
}

#[async_trait]
impl Warehouse for DuckdbWarehouse {
    async fn write(&self, rows: Rows) -> Result<(), WarehouseError> {
        self.ask(move |database| write::write(database, &rows)).await
    }

    async fn recover(&self, log_id: &str, claims: &[Claim]) -> Result<Vec<Found>, WarehouseError> {
        let (log_id, claims) = (log_id.to_owned(), claims.to_vec());
        self.ask(move |database| database.found(&log_id, &claims)).await
    }

    async fn ledger(&self, log_id: &str) -> Result<LedgerState, WarehouseError> {
        let log_id = log_id.to_owned();
        self.ask(move |database| database.ledger(&log_id)).await
    }
}

/// On a connection of its own: rows go on being written meanwhile.
#[async_trait]
impl Letters for DuckdbWarehouse {
    async fn waiting(
        &self,
        selection: &Selection,
        after: &Cursor,
        most: usize,
    ) -> Result<Vec<WaitingLetter>, WarehouseError> {
        let (selection, after) = (selection.clone(), after.clone());
        self.look(move |database| letters::waiting(database, &selection, &after, most)).await
    }

    async fn count(&self, selection: &Selection) -> Result<u64, WarehouseError> {
        let selection = selection.clone();
        self.look(move |database| letters::count(database, &selection)).await
    }
}

#[async_trait]
impl TrainingRuns for DuckdbWarehouse {
    async fn latest(&self, since: Day) -> Result<Vec<TrainingRun>, WarehouseError> {
        self.look(move |database| training::latest(database, since)).await
    }

    async fn record(&self, run: &TrainingRun) -> Result<(), WarehouseError> {
        let run = run.clone();
        self.ask(move |database| training::record(database, &run)).await
    }
}

#[async_trait]
impl Query for DuckdbWarehouse {
    async fn query(&self, sql: &str, limits: QueryLimits) -> Result<Answer, QueryError> {
        self.select(sql, Vec::new(), limits).await
    }
}

#[async_trait]
impl Ask for DuckdbWarehouse {
    async fn ask(&self, question: &Question, limits: QueryLimits) -> Result<Answer, QueryError> {
        let values = question.values.iter().map(|(_, value)| value.clone()).collect();
        self.select(question.duckdb, values, limits).await
    }
}
