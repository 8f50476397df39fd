//! Between batches: how far behind processing is, and which minutes can be closed.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use questline_events::{ledger::Row, row::LedgerRows};
use questline_runtime::{clock::Clock, metrics::Metrics};
use questline_stores::{
    log::{Reader, behind},
    warehouse::{Rows, Warehouse},
};
use tokio::time::Instant;

use crate::{
    closer::Closer,
    lag::{self, Lag},
};

pub(crate) struct Housekeeping {
    reader: Arc<dyn Reader>,
    warehouse: Arc<dyn Warehouse>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// In whose name offsets are committed.
    group: String,
    lag: Lag,
    closer: Closer,
    resumed: bool,
    looked: Instant,
}

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

impl Housekeeping {
    pub(crate) fn new(
        reader: Arc<dyn Reader>,
        warehouse: Arc<dyn Warehouse>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        group: String,
    ) -> Self {
        Self {
            reader,
            warehouse,
            metrics,
            clock,
            group,
            lag: Lag::default(),
            closer: Closer::default(),
            resumed: false,
            looked: Instant::now(),
        }
    }

    /// Tells the lag; gives the row that closes what can be closed, to be written. A log or a
    /// warehouse that cannot be asked now is asked the next time.
    pub(crate) async fn look(&mut self) -> anyhow::Result<Option<(Row, Rows)>> {
        if self.looked.elapsed() < PERIOD {
            return Ok(None);
        }
        self.looked = Instant::now();
        let log_id = self.reader.log_id().to_owned();
        if !self.resumed {
            let Ok(ledger) = self.warehouse.ledger(&log_id).await else { return Ok(None) };
            self.closer.resume(&ledger);
            self.resumed = true;
        }
        let looked = lag::look(&*self.reader, &self.group).await;
        let Ok((ends, committed)) = looked else { return Ok(None) };
        self.lag.tell(&self.metrics, behind(&ends, &committed));
        self.closer.fence(self.clock.now_micros(), || ends);
        self.show();
        if !self.closer.reached(&committed) {
            return Ok(None);
        }
        let Ok(ledger) = self.warehouse.ledger(&log_id).await else { return Ok(None) };
        let Some(row) = self.closer.close(&ledger) else { return Ok(None) };
        let mut closing = LedgerRows::default();
        closing.push(&log_id, &row, self.clock.now_micros());
        let tables = vec![(LedgerRows::TABLE, closing.finish().context("a closing row")?)];
        Ok(Some((row, Rows { log_id, tables, positions: Vec::new(), places: None })))
    }

    /// The row is written.
    pub(crate) fn closed(&mut self, row: &Row) {
        self.closer.closed(row);
        self.show();
    }

    fn show(&self) {
        if let Some(through) = self.closer.closed_through() {
            self.metrics.ledger_closed_through.set(through / 1_000_000);
        }
    }
}
