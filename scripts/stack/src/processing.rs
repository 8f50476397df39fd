//! Processing in a thread of its own: judging a batch takes a core for a while, and requests are
//! not to wait for it.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use questline_environment::Rulebook;
use questline_process::{GROUP, Processor};
use questline_runtime::{CancellationToken, clock::SystemClock, metrics::Metrics};
use questline_stores::{
    Topic,
    log::{Log, behind},
};
use questline_warehouse_duckdb::DuckdbWarehouse;
use tokio::sync::oneshot;

/// The warehouse, once it is open: after a crash that may take a moment.
pub(crate) type Warehouse = Arc<OnceLock<DuckdbWarehouse>>;

pub(crate) struct Processing {
    ended: Option<oneshot::Receiver<anyhow::Result<()>>>,
    stop: CancellationToken,
}

impl Processing {
    pub(crate) fn start(
        directory: &Path,
        log: &Arc<dyn Log>,
        metrics: &Arc<Metrics>,
        opened: Warehouse,
        rulebook: Rulebook,
    ) -> anyhow::Result<Self> {
        let (send, ended) = oneshot::channel();
        let stop = CancellationToken::new();
        let (directory, log) = (directory.to_owned(), log.clone());
        let (metrics, stopping) = (metrics.clone(), stop.clone());
        thread::Builder::new()
            .name("process".to_owned())
            .spawn(move || {
                // Nobody may wait for it any more.
                _ = send.send(work(rulebook, &directory, &log, metrics, &opened, stopping));
            })
            .context("a thread for processing")?;
        Ok(Self { ended: Some(ended), stop })
    }

    /// Ends when processing does.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        match &mut self.ended {
            Some(ended) => {
                let result = ended.await.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
                self.ended = None;
                result.context("processing has ended")
            }
            None => std::future::pending().await,
        }
    }

    /// Lets processing come to the log's end, then ends it.
    pub(crate) async fn drain(mut self, log: &dyn Log, patience: Duration) -> anyhow::Result<()> {
        if self.ended.is_none() {
            return Ok(());
        }
        if let Ok(ends) = log.ends(Topic::Raw).await {
            reach(log, &ends, patience).await;
        }
        self.stop.cancel();
        self.ended().await
    }
}

/// Waits until everything before some ends is committed; `false` if the time is up first.
pub(crate) async fn reach(log: &dyn Log, ends: &[i64], patience: Duration) -> bool {
    let start = Instant::now();
    loop {
        let committed = log.committed(GROUP).await.unwrap_or_default();
        if committed.len() == ends.len() && behind(ends, &committed) == 0 {
            return true;
        }
        if start.elapsed() >= patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn work(
    rulebook: Rulebook,
    directory: &Path,
    log: &Arc<dyn Log>,
    metrics: Arc<Metrics>,
    opened: &Warehouse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let warehouse = DuckdbWarehouse::open(directory)?;
    _ = opened.set(warehouse.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let rows = Arc::new(warehouse.clone());
        let clock = SystemClock::shared();
        let processor = Processor::new(rulebook, log.clone(), rows, metrics, clock, stop);
        let result = processor.run(log.join(GROUP)?).await;
        warehouse.close().await;
        result
    })
}
