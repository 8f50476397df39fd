//! Window: counts per minute of the event's time, app, type and level. Additive, so that late
//! events still count.

use hashbrown::{Equivalent, HashMap};

use crate::{Event, time};

/// What a minute is counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Start of the minute, microseconds since 1970.
    pub window_start: i64,
    /// The app.
    pub app_id: Box<str>,
    /// The type's code.
    pub event_type: i64,
    /// The level, where the event has one.
    pub level_id: Option<Box<str>>,
}

/// A [`Key`] that borrows; it must hash alike.
#[derive(Hash)]
struct KeyRef<'a> {
    window_start: i64,
    app_id: &'a str,
    event_type: i64,
    level_id: Option<&'a str>,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.window_start == key.window_start
            && self.event_type == key.event_type
            && self.level_id == key.level_id.as_deref()
            && self.app_id == &*key.app_id
    }
}

/// The counts of one batch: one additive part per key.
#[derive(Debug, Default)]
pub struct Minutes {
    counts: HashMap<Key, i64>,
}

impl Minutes {
    /// Counts an accepted event.
    pub fn count(&mut self, event: &Event<'_>) {
        let key = KeyRef {
            window_start: time::minute(event.timestamp),
            app_id: event.app_id,
            event_type: event.event_type,
            level_id: event.metrics.level_id.as_deref(),
        };
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
            return;
        }
        let key = Key {
            window_start: key.window_start,
            app_id: key.app_id.into(),
            event_type: key.event_type,
            level_id: key.level_id.map(Into::into),
        };
        self.counts.insert(key, 1);
    }

    /// Counts an event whose row is there already.
    pub fn add(&mut self, key: &Key) {
        *self.counts.entry(key.clone()).or_insert(0) += 1;
    }

    /// The parts, ordered by key.
    #[must_use]
    pub fn into_parts(self) -> Vec<(Key, i64)> {
        let mut parts: Vec<_> = self.counts.into_iter().collect();
        parts.sort_unstable();
        parts
    }
}
