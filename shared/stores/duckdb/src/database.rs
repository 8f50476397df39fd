//! One connection to the file, and what it is asked by statements with parameters.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use duckdb::{Config, Connection, InterruptHandle, params};
use questline_stores::warehouse::{Boot, Claim, Found, LedgerState, Settled, WarehouseError};

use crate::schema;

/// What DuckDB may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// For rows in the making, the cache of the file, and queries.
    memory: &'static str,
    threads: i64,
    /// Bytes of the write-ahead log at which a commit also moves it into the file: a pause of a
    /// quarter of a second. Until then its rows are in memory, too.
    checkpoint: &'static str,
}

/// Of whoever writes and queries.
pub(crate) const WHOLE: Share = Share { memory: "256MB", threads: 2, checkpoint: "64MB" };
/// Of whoever writes alone. Two threads would share each append, and wait for each other longer than
/// it takes one.
pub(crate) const TO_WRITE: Share = Share { memory: "56MB", threads: 1, checkpoint: "40MB" };

/// The file, open. `None` only after a failed recovery.
pub(crate) struct Database {
    path: PathBuf,
    share: Share,
    connection: Option<Connection>,
}

impl Database {
    pub(crate) fn open(path: &Path, share: Share) -> Result<Self, WarehouseError> {
        let connection = connect(path, share)?;
        Ok(Self { path: path.to_owned(), share, connection: Some(connection) })
    }

    /// Another connection to the same open file.
    pub(crate) fn again(&self) -> Result<Self, WarehouseError> {
        let connection = self.connection().map_err(|error| failure(error, &self.path))?;
        Ok(Self { path: self.path.clone(), share: self.share, connection: Some(connection) })
    }

    /// A connection of its own for whoever needs one.
    pub(crate) fn connection(&self) -> duckdb::Result<Connection> {
        self.connection.as_ref().ok_or(duckdb::Error::InvalidQuery)?.try_clone()
    }

    /// Cuts what this connection does when it is dropped.
    pub(crate) fn cut(&self) -> (Cut, Work) {
        Cut::by(self.connection.as_ref().map(Connection::interrupt_handle))
    }

    /// Runs statements on this connection.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> duckdb::Result<T>,
    ) -> Result<T, WarehouseError> {
        let connection = self.connection.as_ref().ok_or(duckdb::Error::InvalidQuery);
        connection.and_then(work).map_err(|error| failure(error, &self.path))
    }

    /// After some failures DuckDB serves nobody until the file is opened anew.
    pub(crate) fn recover(&mut self) {
        let works = self.with(|connection| connection.execute_batch("SELECT 1")).is_ok();
        if !works {
            self.connection = None;
            match connect(&self.path, self.share) {
                Ok(connection) => self.connection = Some(connection),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "warehouse.reopen");
                }
            }
        }
    }

    /// Moves what is in the write-ahead log into the file, so that the next opening is quick.
    pub(crate) fn close(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.execute_batch("CHECKPOINT")
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "warehouse.checkpoint");
        }
    }

    pub(crate) fn positions(&self, log_id: &str) -> Result<Vec<(u32, i64)>, WarehouseError> {
        self.with(|connection| positions(connection, log_id))
    }

    /// What the tables have of some partitions: a batch is one transaction, so of what they hold
    /// nothing is missing.
    pub(crate) fn found(
        &self,
        log_id: &str,
        claims: &[Claim],
    ) -> Result<Vec<Found>, WarehouseError> {
        let positions = self.positions(log_id)?;
        let find = |claim: &Claim| {
            let partition = claim.partition;
            let at = positions.iter().find(|(known, _)| *known == partition).map(|(_, at)| *at);
            let mut found = Found::of_transactions(claim, at);
            if let Some(held) = found.held.last() {
                found.rows = self.settled(log_id, partition, claim.next_offset..held.until)?;
            }
            Ok(found)
        };
        claims.iter().map(find).collect()
    }

    fn settled(
        &self,
        log_id: &str,
        partition: u32,
        offsets: Range<i64>,
    ) -> Result<Vec<Settled>, WarehouseError> {
        self.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT source_offset, true FROM events
                     WHERE source_log = ?1 AND source_partition = ?2
                     AND source_offset >= ?3 AND source_offset < ?4
                     UNION ALL
                     SELECT source_offset, false FROM events_dlq
                     WHERE source_log = ?1 AND source_partition = ?2
                     AND source_offset >= ?3 AND source_offset < ?4",
                )?
                .query_map(params![log_id, partition, offsets.start, offsets.end], |row| {
                    let (offset, event) = (row.get(0)?, row.get(1)?);
                    Ok(Settled { partition, offset, event, minute: None })
                })?
                .collect()
        })
    }

    pub(crate) fn ledger(&self, log_id: &str) -> Result<LedgerState, WarehouseError> {
        self.with(|connection| {
            let closed_through = connection.query_row(
                "SELECT epoch_us(max(minute)) FROM ledger WHERE log_id = ? AND hop = 'closed'",
                params![log_id],
                |row| row.get(0),
            )?;
            let boots = connection
                .prepare_cached(
                    "SELECT source, epoch_us(first_minute), epoch_us(last_complete),
                            epoch_us(last_written)
                     FROM ledger_boots WHERE log_id = ? AND NOT ended",
                )?
                .query_map(params![log_id], |row| {
                    Ok(Boot {
                        id: row.get(0)?,
                        first_minute: row.get(1)?,
                        last_complete: row.get(2)?,
                        last_written: row.get(3)?,
                    })
                })?
                .collect::<duckdb::Result<Vec<_>>>()?;
            Ok(LedgerState { closed_through, boots })
        })
    }
}

/// Where the tables are in each partition of a log.
pub(crate) fn positions(connection: &Connection, log_id: &str) -> duckdb::Result<Vec<(u32, i64)>> {
    connection
        .prepare_cached(
            "SELECT source_partition, next_offset FROM source_positions WHERE log_id = ?",
        )?
        .query_map(params![log_id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Between two cuts of what has not ended.
const CUT_AGAIN: Duration = Duration::from_millis(50);

/// The way to what a connection does; none when that has ended.
type Reach = Arc<Mutex<Option<Arc<InterruptHandle>>>>;

/// See [`Database::cut`]. When it is dropped, it cuts what a connection does until that has ended:
/// between two statements a cut is forgotten.
pub(crate) struct Cut(Reach);

/// What is cut. It is to be dropped before its connection: nobody reaches for one that is gone.
pub(crate) struct Work(Reach);

impl Cut {
    pub(crate) fn of(connection: &Connection) -> (Self, Work) {
        Self::by(Some(connection.interrupt_handle()))
    }

    fn by(handle: Option<Arc<InterruptHandle>>) -> (Self, Work) {
        let reach = Reach::new(Mutex::new(handle));
        (Self(reach.clone()), Work(reach))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        *held(&self.0) = None;
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        if !interrupt(&self.0) {
            return;
        }
        let reach = self.0.clone();
        let again = move || {
            while interrupt(&reach) {
                std::thread::sleep(CUT_AGAIN);
            }
        };
        // A thread: it goes on while a runtime ends, which waits for what is cut.
        if let Err(error) = std::thread::Builder::new().name("cut".to_owned()).spawn(again) {
            tracing::warn!(error = &error as &dyn std::error::Error, "warehouse.cut");
        }
    }
}

/// Cuts what has not ended.
fn interrupt(reach: &Reach) -> bool {
    let handle = held(reach);
    if let Some(handle) = &*handle {
        handle.interrupt();
    }
    handle.is_some()
}

fn held(reach: &Reach) -> MutexGuard<'_, Option<Arc<InterruptHandle>>> {
    reach.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, share: Share) -> Result<Connection, WarehouseError> {
    let open = || {
        let config = Config::default()
            .threads(share.threads)?
            .max_memory(share.memory)?
            .enable_external_access(false)?
            .enable_autoload_extension(false)?;
        let connection = Connection::open_with_flags(path, config)?;
        connection.pragma_update(None, "checkpoint_threshold", &share.checkpoint)?;
        // Whoever wants an order asks for it: without one a large day takes less memory.
        connection.execute_batch("SET preserve_insertion_order = false")?;
        connection.execute_batch("SET GLOBAL TimeZone = 'UTC'; SET TimeZone = 'UTC'")?;
        // Before views are made over tables of another release.
        let foreign = schema::foreign(&connection)?;
        if foreign.is_none() {
            schema::create(&connection)?;
        }
        connection.execute_batch("SET lock_configuration = true")?;
        Ok((connection, foreign))
    };
    match open() {
        Ok((connection, None)) => Ok(connection),
        Ok((_, Some(table))) => Err(WarehouseError::Damaged {
            place: path.display().to_string(),
            cause: format!("the columns of `{table}` are not those of this release").into(),
        }),
        Err(error) => Err(failure(error, path)),
    }
}

/// What DuckDB says is told apart by its text: its error codes do not.
pub(crate) fn failure(error: duckdb::Error, path: &Path) -> WarehouseError {
    let text = error.to_string();
    let place = path.display().to_string();
    if text.contains("Could not set lock on file") {
        WarehouseError::InUse(place)
    } else if ["not a valid DuckDB database", "Corrupt", "corrupt", "Serialization Error"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        WarehouseError::Damaged { place, cause: error.into() }
    } else {
        WarehouseError::Unavailable(error.into())
    }
}
