//! Events as they become rows or dead letters.

use std::{collections::HashSet, sync::Arc, time::Duration};

use questline_events::{
    limits::{DASHBOARD_LOOK_LONGEST, DASHBOARD_LOOK_SHARE},
    time::micros,
};
use questline_stores::{
    saved::{Ask, Saved, Unusable},
    warehouse::{Answer, QueryError},
};
use serde_json::Value;
use tokio::time::Instant;

use crate::state::Dashboard;

/// Most rows are written within this time of their arrival, in another order: each look goes back so
/// far.
const NEAR_MICROS: i64 = 15_000_000;
/// What became a row later, because processing was behind or was started anew, is found by looks that
/// go back so far, longer than a stream is open. So many rows are too dear for each look.
const FAR_MICROS: i64 = 300_000_000;
/// Between two of those, or two, four, eight or sixteen times as much.
const FAR_EVERY_MICROS: i64 = 5_000_000;
/// That is this many times as long as the last one took.
const FAR_SHARE: u32 = 100;

/// One listener's events: every event once, unless more than `most` newer ones were there before it.
pub(crate) struct Browser {
    saved: &'static Saved,
    given: Vec<(String, String)>,
    /// Source positions of what was shown and may be found again: all that the last look that went far
    /// back has found, and those after it.
    shown: HashSet<String>,
    /// When that was; none before the first look, which goes back as far as was asked.
    far: Option<i64>,
    /// What the last of those took.
    far_took: Duration,
    /// What the last one of the others took.
    took: Duration,
}

impl Browser {
    /// The events that fit some filters.
    pub(crate) fn new(given: Vec<(String, String)>, now: i64) -> Result<Self, Unusable> {
        let saved = Saved::named("events/recent")?;
        // Once in advance, so that a filter that cannot be used is refused before the stream begins.
        saved.ask(given.iter().map(|(name, value)| (&**name, &**value)), now)?;
        Ok(Self {
            saved,
            given,
            shown: HashSet::new(),
            far: None,
            far_took: Duration::ZERO,
            took: Duration::ZERO,
        })
    }

    /// The events that are new since the last look, the latest first.
    pub(crate) async fn look(&mut self, dashboard: &Arc<Dashboard>) -> Result<Answer, QueryError> {
        let source = &*dashboard.config.source;
        let now = dashboard.config.clock.now_micros();
        let now = now - now.rem_euclid(between(source));
        let given = self.given.iter().map(|(name, value)| (&**name, &**value));
        let mut question = self
            .saved
            .ask(given, now)
            .map_err(|unusable| QueryError::Invalid(unusable.to_string()))?;
        let every = far_every(self.far_took);
        let far = self.far.is_none_or(|last| now / every != last / every);
        if self.far.is_some() {
            let from = now - if far { FAR_MICROS } else { NEAR_MICROS };
            let asked = question.moment("from_time");
            question.since(asked.map_or(from, |asked| asked.max(from)));
        }
        let began = Instant::now();
        let looked = dashboard.cache.look(source, &question, now).await;
        // All who share a look rest equally long, and share the next one too.
        match &looked {
            Err(error) => {
                self.took = began.elapsed();
                if far && self.far.is_some() && matches!(error, QueryError::Timeout(_)) {
                    // The next one that goes far takes as long: those that do not come between.
                    (self.far, self.far_took) = (Some(now), self.took);
                }
            }
            // The first one went back as far as was asked: of the next one that says nothing.
            Ok(_) if self.far.is_none() || !source.slows() => self.took = Duration::ZERO,
            Ok((_, took)) if far => self.far_took = *took,
            Ok((_, took)) => self.took = *took,
        }
        let (answer, _) = looked?;
        let keys: Vec<_> = answer.rows.iter().map(|row| position(&answer.columns, row)).collect();
        let new = answer.rows.iter().zip(&keys).filter(|(_, key)| !self.shown.contains(*key));
        let rows = new.map(|(row, _)| row.clone()).collect();
        if far {
            self.shown.clear();
            self.far = Some(now);
        }
        self.shown.extend(keys);
        Ok(Answer { columns: answer.columns.clone(), rows })
    }

    /// Until the next look. All who listen look at the same moments, so that what they have in common
    /// is asked once; where looks are dear, at fewer of them.
    pub(crate) fn pause(&self, dashboard: &Dashboard) -> Duration {
        let now = dashboard.config.clock.now_micros();
        let between = between(&*dashboard.config.source);
        let rest = micros((self.took * DASHBOARD_LOOK_SHARE).min(DASHBOARD_LOOK_LONGEST));
        let moment = |at: i64| at - at.rem_euclid(between);
        let next = moment(now + rest).max(moment(now) + between);
        Duration::from_micros((next - now).unsigned_abs())
    }
}

/// Microseconds between two looks that go far back, after one that took so long. All who listen have
/// some of these moments in common.
fn far_every(took: Duration) -> i64 {
    let mut longer = (0..4).map(|times| FAR_EVERY_MICROS << times);
    longer.find(|every| *every >= micros(took * FAR_SHARE)).unwrap_or(FAR_EVERY_MICROS << 4)
}

/// Microseconds between two looks.
fn between(source: &dyn Ask) -> i64 {
    micros(source.pause()).max(1)
}

/// Log, partition and offset of a row: its last columns.
fn position(columns: &[String], row: &[Value]) -> String {
    let places = columns.iter().zip(row).filter(|(name, _)| name.starts_with("source_"));
    places.map(|(_, value)| value.to_string()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_looks_go_far_back_less_often_and_none_is_missed() {
        let every = |took| far_every(Duration::from_millis(took)) / 1_000_000;
        assert_eq!([0, 50, 51, 100, 700, 9_000].map(every), [5, 5, 10, 10, 80, 80]);
        let late = FAR_MICROS - far_every(Duration::MAX / (2 * FAR_SHARE));
        assert!(late > 200_000_000, "a row as late as this is found by one of them");
    }
}
