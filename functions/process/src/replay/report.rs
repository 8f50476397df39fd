//! What a replay did.

use questline_events::Day;
use serde::{Deserialize, Serialize};

/// How far a replay is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Records read.
    pub read: u64,
    /// Records of the range, and of the half hour before it.
    pub of: u64,
}

/// The report of one replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The run, as the ledger names it.
    pub run: String,
    /// Events read again.
    pub read: u64,
    /// Of them, rows of `events` now.
    pub accepted: u64,
    /// Of them, known from before.
    pub duplicate: u64,
    /// Of them, rows of `events_dlq` now.
    pub dead_lettered: u64,
    /// Rows that were there before.
    pub rows_before: u64,
    /// Rows that are there now.
    pub rows_after: u64,
    /// Days whose numbers are to be made anew.
    pub days: Vec<Day>,
}
