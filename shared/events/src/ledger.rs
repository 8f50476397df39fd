//! The ledger: what every hop received and what became of it, per app and minute of
//! `received_at`. What is not in it is not proved.

use std::ops::AddAssign;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::{headers::Envelope, time};

/// A hop of the way, as the column `hop` names it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// received = stored + rejected + deferred
    #[default]
    Ingest,
    /// read = accepted + duplicate + dead_lettered
    Process,
    /// stored + unknown = letters brought back
    Reprocess,
    /// read = accepted + duplicate + dead_lettered, of records that were read once more: beside
    /// the ledger's sums, which tell what became of them at first
    Replay,
    /// Records that the log expired before they were read.
    Log,
    /// Not a count: every minute of this log up to this one is closed.
    Closed,
}

impl Hop {
    /// The name in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Process => "process",
            Self::Reprocess => "reprocess",
            Self::Replay => "replay",
            Self::Log => "log",
            Self::Closed => "closed",
        }
    }
}

/// What became of events. Additive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counts {
    /// Events in readable bodies.
    pub received: i64,
    /// Acknowledged by the log before the deadline.
    pub stored: i64,
    /// Not kept, with a reason.
    pub rejected: i64,
    /// Not acknowledged before the deadline.
    pub deferred: i64,
    /// Deferred, and acknowledged after all.
    pub late: i64,
    /// Deferred, and refused by the log for good.
    pub failed: i64,
    /// Deferred, and never heard of again.
    pub unknown: i64,
    /// Bodies refused whole; their events were not counted.
    pub refused_bodies: i64,
    /// Records read by processing.
    pub read: i64,
    /// Records that became rows.
    pub accepted: i64,
    /// Records known already.
    pub duplicate: i64,
    /// Records that became dead letters.
    pub dead_lettered: i64,
    /// Records gone before they were read.
    pub expired: i64,
}

impl Counts {
    /// None is less than nothing, or more than anybody counts in a minute.
    fn are_sound(&self) -> bool {
        let counts = [
            self.received,
            self.stored,
            self.rejected,
            self.deferred,
            self.late,
            self.failed,
            self.unknown,
            self.refused_bodies,
            self.read,
            self.accepted,
            self.duplicate,
            self.dead_lettered,
            self.expired,
        ];
        counts.iter().all(|count| u32::try_from(*count).is_ok())
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.stored += other.stored;
        self.rejected += other.rejected;
        self.deferred += other.deferred;
        self.late += other.late;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.refused_bodies += other.refused_bodies;
        self.read += other.read;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.dead_lettered += other.dead_lettered;
        self.expired += other.expired;
    }
}

/// One page of the ledger of ingest or of reprocess: what one instance, or one run, counted in one
/// minute. It travels through the raw topic, so that it is written exactly once, after the events
/// that it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Who counted.
    #[serde(default)]
    pub hop: Hop,
    /// Boot id of the instance, or the run's.
    pub boot: String,
    /// Number of the page within the boot: the same page sent twice is one page.
    pub seq: i64,
    /// Start of the minute, microseconds since 1970.
    pub minute: i64,
    /// Nothing more will be counted in this minute but late reports.
    pub complete: bool,
    /// The instance ended in order after this page.
    pub closing: bool,
    /// Counts by app; the empty app are bodies refused before their key was known.
    pub apps: Vec<(String, Counts)>,
}

/// One row of the table `ledger`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The hop that counted.
    pub hop: Hop,
    /// Boot id of the ingest instance, or the run of reprocess, that stored the records; or the run
    /// of replay that read them once more.
    pub source: Option<String>,
    /// The app; absent on rows that only say that the hop was alive.
    pub app_id: Option<String>,
    /// Start of the minute of `received_at`, microseconds since 1970.
    pub minute: i64,
    /// Number of the page within the boot.
    pub seq: Option<i64>,
    /// The hop has written this minute for good.
    pub complete: bool,
    /// The closing mark of a boot.
    pub closing: bool,
    /// What was counted.
    pub counts: Counts,
}

impl Page {
    /// The page that a record of the raw topic is. None where it is somebody else's: it names a hop
    /// that sends none, as one that closes minutes, or what no table holds and no sum bears.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let page: Self = serde_json::from_slice(json).ok()?;
        let sends = matches!(page.hop, Hop::Ingest | Hop::Reprocess);
        let sound = page.apps.iter().all(|(_, counts)| counts.are_sound());
        (sends && sound && time::MOMENTS.contains(&page.minute)).then_some(page)
    }

    /// The rows of a page: one to say that the instance was alive, one for each app.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let row = |app_id: Option<String>, counts| Row {
            hop: self.hop,
            source: Some(self.boot.clone()),
            app_id,
            minute: self.minute,
            seq: Some(self.seq),
            complete: self.complete,
            closing: self.closing,
            counts,
        };
        let alive = std::iter::once(row(None, Counts::default()));
        alive.chain(self.apps.iter().map(move |(app, counts)| row(Some(app.clone()), *counts)))
    }
}

/// Against whom a record is held: the instance that stored it, or the run that brought it back.
#[must_use]
pub const fn source<'a>(envelope: &Envelope<'a>) -> Option<&'a str> {
    if envelope.reprocessed { envelope.run } else { envelope.boot }
}

/// What processing counts: per source, app and minute of `received_at`.
#[derive(Debug, Default)]
pub struct Tallies {
    counts: HashMap<Key, Counts>,
    /// The key counted last: records of a request follow each other, and share it.
    recent: Option<(Key, Counts)>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    source: Option<Box<str>>,
    app_id: Option<Box<str>>,
    minute: i64,
}

impl Tallies {
    /// Counts a record where it belongs.
    pub fn count(&mut self, envelope: &Envelope<'_>, count: impl FnOnce(&mut Counts)) {
        let source = source(envelope);
        let (app_id, minute) = (envelope.app_id, time::minute(envelope.received_at));
        let is = |key: &Key| {
            key.minute == minute
                && key.source.as_deref() == source
                && key.app_id.as_deref() == app_id
        };
        if self.recent.as_ref().is_none_or(|(key, _)| !is(key)) {
            self.settle();
            let (source, app_id) = (source.map(Into::into), app_id.map(Into::into));
            self.recent = Some((Key { source, app_id, minute }, Counts::default()));
        }
        if let Some((_, counts)) = &mut self.recent {
            count(counts);
        }
    }

    fn settle(&mut self) {
        if let Some((key, counts)) = self.recent.take() {
            *self.counts.entry(key).or_default() += counts;
        }
    }

    /// The rows, one for each key.
    pub fn into_rows(mut self) -> impl Iterator<Item = Row> {
        self.settle();
        self.counts.into_iter().map(|(key, counts)| Row {
            hop: Hop::Process,
            source: key.source.map(Into::into),
            app_id: key.app_id.map(Into::into),
            minute: key.minute,
            seq: None,
            complete: false,
            closing: false,
            counts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_somebody_else_is_none() {
        let minute = 1_795_435_200_000_000;
        let counts = Counts { received: 2, stored: 2, ..Counts::default() };
        let page = Page {
            hop: Hop::Ingest,
            boot: "boot".to_owned(),
            seq: 1,
            minute,
            complete: true,
            closing: false,
            apps: vec![("app".to_owned(), counts)],
        };
        let read = |page: &Page| Page::read(&serde_json::to_vec(page).unwrap());
        assert_eq!(read(&page).as_ref(), Some(&page));
        let counted = |counts| Page { apps: vec![("app".to_owned(), counts)], ..page.clone() };
        for foreign in [
            Page { hop: Hop::Closed, ..page.clone() },
            Page { hop: Hop::Process, ..page.clone() },
            Page { minute: minute * 1_000, ..page.clone() },
            counted(Counts { late: -1, ..counts }),
            counted(Counts { stored: i64::MAX, ..counts }),
        ] {
            assert_eq!(read(&foreign), None, "{foreign:?}");
        }
        assert_eq!(Page::read(b"ledger?"), None);
    }
}
