//! Events as they become rows or dead letters.

use std::{collections::HashSet, sync::Arc, time::Duration};

use questline_stores::{
    saved::{Saved, Unusable},
    warehouse::{Answer, QueryError},
};
use serde_json::Value;

use crate::routes::Dashboard;

/// Between two looks: an event is seen within 2 s of its sending, of which a row takes one. All who
/// listen look at the same moments, so that what they have in common is asked once.
const PAUSE_MICROS: i64 = 700_000;
/// Rows are written in another order than they were received, within this time.
const BEHIND_MICROS: i64 = 15_000_000;

/// One listener's events: every event once.
pub(crate) struct Browser {
    saved: &'static Saved,
    given: Vec<(String, String)>,
    /// Source positions of what was shown and may be found again.
    shown: HashSet<String>,
    from: Option<i64>,
}

impl Browser {
    /// The events that fit some filters.
    pub(crate) fn new(given: Vec<(String, String)>, now: i64) -> Result<Self, Unusable> {
        let saved = Saved::named("events/recent")?;
        // Once in advance, so that a filter that cannot be used is refused before the stream begins.
        saved.ask(given.iter().map(|(name, value)| (&**name, &**value)), now)?;
        Ok(Self { saved, given, shown: HashSet::new(), from: None })
    }

    /// The events that are new since the last look, the latest first.
    pub(crate) async fn look(&mut self, dashboard: &Arc<Dashboard>) -> Result<Answer, QueryError> {
        let now = dashboard.config.clock.now_micros();
        let now = now - now.rem_euclid(PAUSE_MICROS);
        let given = self.given.iter().map(|(name, value)| (&**name, &**value));
        let mut question = self
            .saved
            .ask(given, now)
            .map_err(|unusable| QueryError::Invalid(unusable.to_string()))?;
        if let Some(from) = self.from {
            question.since(from);
        }
        let answer = dashboard.cache.ask(&*dashboard.config.source, &question, now).await?;
        let keys: Vec<_> = answer.rows.iter().map(|row| position(&answer.columns, row)).collect();
        let new = answer.rows.iter().zip(&keys).filter(|(_, key)| !self.shown.contains(*key));
        let rows = new.map(|(row, _)| row.clone()).collect();
        self.shown = keys.into_iter().collect();
        self.from = Some(now - BEHIND_MICROS);
        Ok(Answer { columns: answer.columns.clone(), rows })
    }
}

/// Until all who listen look again.
pub(crate) fn pause(now: i64) -> Duration {
    Duration::from_micros((PAUSE_MICROS - now.rem_euclid(PAUSE_MICROS)).unsigned_abs())
}

/// Log, partition and offset of a row: its last columns.
fn position(columns: &[String], row: &[Value]) -> String {
    let places = columns.iter().zip(row).filter(|(name, _)| name.starts_with("source_"));
    places.map(|(_, value)| value.to_string()).collect::<Vec<_>>().join("/")
}
