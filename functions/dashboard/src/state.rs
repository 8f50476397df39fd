//! What every route works with.

use std::sync::Arc;

use axum::http::HeaderValue;
use questline_events::limits::DASHBOARD_STREAMS;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Config, cache::Cache, pulse::Pulse};

/// The page and what it needs.
pub(crate) struct Dashboard {
    pub(crate) config: Config,
    pub(crate) cache: Cache,
    pub(crate) policy: HeaderValue,
    pub(crate) figures: Pulse,
    streams: Arc<Semaphore>,
}

impl Dashboard {
    pub(crate) fn new(config: Config, policy: HeaderValue) -> Self {
        let streams = Arc::new(Semaphore::new(DASHBOARD_STREAMS));
        Self { config, cache: Cache::default(), policy, figures: Pulse::default(), streams }
    }

    /// The place of one stream; none if there are too many.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.clone().try_acquire_owned().ok()
    }
}
