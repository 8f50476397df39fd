//! Days close by themselves: every day that has events, and again when it has changed.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use questline_daily_aggregate::{DailyRun, Ports, Reach};
use questline_events::limits::DAILY_CALL;
use questline_runtime::{CancellationToken, clock::SystemClock, metrics::Metrics};
use questline_stores::daily::Directory;

use crate::processing::Warehouse;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);
/// Between two runs of one day, so that its numbers are a minute behind at most.
const PAUSE_MICROS: i64 = 45 * 1_000_000;

/// The daily run, made when it is first needed: the warehouse is opened after the routes.
#[derive(Clone)]
pub(crate) struct Days {
    pub(crate) warehouse: Warehouse,
    pub(crate) directory: PathBuf,
    pub(crate) playtime_types: String,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) made: Arc<OnceLock<Arc<DailyRun>>>,
}

impl Days {
    /// The daily run; `None` while the warehouse is being opened.
    pub(crate) fn run(&self) -> Option<Arc<DailyRun>> {
        let warehouse = self.warehouse.get()?;
        let made = self.made.get_or_init(|| {
            let ports = Ports {
                warehouse: Arc::new(warehouse.clone()),
                features: Arc::new(Directory::new(self.directory.join("features"))),
                ready: Arc::new(Directory::new(&self.directory)),
                playtime_types: self.playtime_types.clone(),
                clock: SystemClock::shared(),
            };
            Arc::new(DailyRun::new(ports, self.metrics.clone()))
        });
        Some(made.clone())
    }

    /// Looks again and again which days are due, until `stop`: what is under way then is cut, and
    /// taken up at the next start.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let looking = async {
            loop {
                tokio::time::sleep(PERIOD).await;
                let Some(daily) = self.run() else { continue };
                let reach = Reach::All { pause: PAUSE_MICROS };
                if let Err(error) = daily.call_due(reach, DAILY_CALL).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "days");
                }
            }
        };
        _ = stop.run_until_cancelled(looking).await;
    }
}
