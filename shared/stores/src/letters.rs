//! Dead letters that wait, for whoever brings them back.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Headers, warehouse::WarehouseError};

/// Which letters are meant: those that fit every member that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Entry of the closed list of reasons.
    pub reason: Option<String>,
    /// The app.
    pub app: Option<String>,
    /// Judged at this moment or later, microseconds since 1970.
    pub from: Option<i64>,
    /// Judged before this moment, microseconds since 1970.
    pub to: Option<i64>,
    /// Release and lookups that judged it.
    pub version: Option<String>,
    /// Only those written while the app's brake was pulled.
    pub held: bool,
}

impl Selection {
    /// From when, and before when the letters were judged: as long as a table can hold.
    #[must_use]
    pub fn judged(&self) -> (i64, i64) {
        (self.from.unwrap_or(0), self.to.unwrap_or(253_402_300_799_000_000))
    }
}

/// A place in the order of letters: the moment of the judgement, then the identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Microseconds since 1970.
    pub failed_at: i64,
    /// The letter's identity.
    pub letter: String,
}

/// A letter that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingLetter {
    /// Its place in the order, and its identity.
    pub cursor: Cursor,
    /// How often it was brought back before.
    pub attempts: i64,
    /// Why it is dead.
    pub reason: String,
    /// The member at fault.
    pub detail: Option<String>,
    /// When ingest received it, microseconds since 1970.
    pub received_at: i64,
    /// Key of the record.
    pub key: Option<Bytes>,
    /// Value of the record, as it was sent.
    pub value: Option<Bytes>,
    /// Headers of the record.
    pub headers: Headers,
    /// Partition of the raw topic on which the record was.
    pub partition: u32,
}

/// Reprocess's side of a warehouse.
#[async_trait]
pub trait Letters: Send + Sync {
    /// The next letters of a selection that wait, at most `most`, after a place in their order.
    async fn waiting(
        &self,
        selection: &Selection,
        after: &Cursor,
        most: usize,
    ) -> Result<Vec<WaitingLetter>, WarehouseError>;

    /// How many letters of a selection wait.
    async fn count(&self, selection: &Selection) -> Result<u64, WarehouseError>;
}
