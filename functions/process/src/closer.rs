//! Closing minutes of the ledger: a closed minute is one about which everything is known.
//!
//! A minute may be closed once its end lies the delivery deadline back, everything that was in the
//! log at that moment has been processed, and every instance of ingest that lives has written it.
//! An instance that has been silent for three minutes is dead: what it did not write stays
//! unproved, and holds nobody up.

use questline_events::{
    ledger::{Counts, Hop, Row},
    limits::{BOOT_SILENCE, DELIVERY_DEADLINE},
    time::{MINUTE, micros, minute},
};
use questline_stores::{
    log::behind,
    warehouse::{Boot, LedgerState},
};

/// A point in the log, and the last minute that may be closed when it is reached.
#[derive(Debug)]
struct Fence {
    at: i64,
    through: i64,
    ends: Vec<i64>,
}

/// Which minutes are closed.
#[derive(Debug, Default)]
pub(crate) struct Closer {
    closed_through: Option<i64>,
    fence: Option<Fence>,
}

impl Closer {
    /// Goes on where the ledger ended.
    pub(crate) fn resume(&mut self, ledger: &LedgerState) {
        self.closed_through = ledger.closed_through;
    }

    pub(crate) const fn closed_through(&self) -> Option<i64> {
        self.closed_through
    }

    /// Notes the log's end, if there is a minute to be closed when it is reached.
    pub(crate) fn fence(&mut self, now: i64, ends: impl FnOnce() -> Vec<i64>) {
        let deadline = micros(DELIVERY_DEADLINE);
        // A page is written a moment after its minute is over.
        let through = minute(now - deadline - 2_000_000) - MINUTE;
        if self.fence.is_none() && self.closed_through.is_none_or(|closed| closed < through) {
            self.fence = Some(Fence { at: now, through, ends: ends() });
        }
    }

    /// Whether all that was in the log at the fence is committed.
    pub(crate) fn reached(&self, committed: &[Option<i64>]) -> bool {
        self.fence.as_ref().is_some_and(|fence| behind(&fence.ends, committed) == 0)
    }

    /// The row that closes what can be closed, once the fence is reached and `ledger` was read
    /// after that.
    pub(crate) fn close(&mut self, ledger: &LedgerState) -> Option<Row> {
        let fence = self.fence.take()?;
        let silence = micros(BOOT_SILENCE);
        let lives = |boot: &&Boot| fence.at - boot.last_written <= silence;
        let written = |boot: &Boot| boot.last_complete.unwrap_or(boot.first_minute - MINUTE);
        let behind = ledger.boots.iter().filter(lives).map(written).min();
        let through = behind.map_or(fence.through, |behind| behind.min(fence.through));
        if self.closed_through.is_some_and(|closed| closed >= through) {
            return None;
        }
        Some(Row {
            hop: Hop::Closed,
            source: None,
            app_id: None,
            minute: through,
            seq: None,
            complete: false,
            closing: false,
            counts: Counts::default(),
        })
    }

    /// The row is written.
    pub(crate) fn closed(&mut self, row: &Row) {
        self.closed_through = Some(row.minute);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const NOW: i64 = 100 * MINUTE + 30 * SECOND;

    fn boot(last_complete: i64, last_written: i64) -> Boot {
        Boot {
            id: "boot".to_owned(),
            first_minute: 90 * MINUTE,
            last_complete: Some(last_complete * MINUTE),
            last_written,
        }
    }

    fn ledger(boots: Vec<Boot>) -> LedgerState {
        LedgerState { closed_through: None, boots }
    }

    fn closed(closer: &mut Closer, boots: Vec<Boot>) -> Option<i64> {
        let row = closer.close(&ledger(boots))?;
        closer.closed(&row);
        Some(row.minute / MINUTE)
    }

    #[test]
    fn a_minute_waits_for_the_deadline_and_for_the_log() {
        let mut closer = Closer::default();
        closer.fence(100 * MINUTE + 3 * SECOND, || vec![5, 7]);
        assert!(!closer.reached(&[Some(5), None]));
        assert!(!closer.reached(&[Some(5), Some(6)]));
        assert!(closer.reached(&[Some(5), Some(8)]));
        assert_eq!(closed(&mut closer, vec![]), Some(98), "99 is over, but not long enough");
        closer.fence(100 * MINUTE + 3 * SECOND, || unreachable!("nothing new to be closed"));
        closer.fence(NOW, Vec::new);
        assert_eq!(closed(&mut closer, vec![]), Some(99));
    }

    #[test]
    fn a_living_boot_is_waited_for_and_a_dead_one_is_not() {
        let mut closer = Closer::default();
        closer.fence(NOW, Vec::new);
        assert_eq!(closed(&mut closer, vec![boot(97, NOW - 60 * SECOND)]), Some(97));
        closer.fence(NOW, Vec::new);
        assert_eq!(closed(&mut closer, vec![boot(97, NOW - 179 * SECOND)]), None);
        closer.fence(NOW, Vec::new);
        assert_eq!(closed(&mut closer, vec![boot(97, NOW - 181 * SECOND)]), Some(99));
        let mut fresh = boot(0, NOW);
        fresh.last_complete = None;
        fresh.first_minute = 100 * MINUTE;
        let mut closer = Closer::default();
        closer.fence(NOW, Vec::new);
        assert_eq!(closed(&mut closer, vec![fresh]), Some(99), "it has only just begun");
    }

    #[test]
    fn it_goes_on_where_the_ledger_ended() {
        let mut closer = Closer::default();
        closer.resume(&LedgerState { closed_through: Some(99 * MINUTE), boots: vec![] });
        closer.fence(NOW, || unreachable!("closed already"));
        assert_eq!(closer.closed_through(), Some(99 * MINUTE));
    }
}
