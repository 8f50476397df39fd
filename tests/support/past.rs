//! A log that has been there for a while: records of another day, as ingest had stored them.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
};

use questline_events::headers::{APP_ID, RECEIVED_AT};
use questline_log_sqlite::SqliteLog;
use questline_stores::{
    Headers, NewRecord, Topic,
    log::{Appender as _, Log as _},
};

/// The embedded log of a data directory, before a stack is started on it.
pub(crate) struct Past(SqliteLog);

impl Past {
    pub(crate) fn of(directory: &Path) -> Self {
        Self(SqliteLog::open(directory).unwrap())
    }

    /// Appends events of the app `local`, received at one moment.
    pub(crate) async fn append(&self, at_ms: i64, events: impl Iterator<Item = String>) {
        let received_at = at_ms.to_string();
        let headers =
            Headers::new([(APP_ID, &b"local"[..]), (RECEIVED_AT, received_at.as_bytes())]);
        let record = |event: String| NewRecord {
            partition: Some(partition(&event)),
            timestamp_ms: Some(at_ms),
            value: Some(event.into()),
            headers: headers.clone(),
            ..NewRecord::default()
        };
        let mut records = events.map(record);
        loop {
            let some: Vec<_> = records.by_ref().take(6_000).collect();
            if some.is_empty() {
                return;
            }
            assert!(self.0.append(Topic::Raw, some).all_stored().await);
        }
    }

    pub(crate) async fn close(self) {
        self.0.close().await;
    }
}

/// What is sent twice is on one partition.
fn partition(event: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    event.hash(&mut hasher);
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}
