#![doc = include_str!("../README.md")]

mod answers;
mod assets;
mod browser;
mod budget;
mod cache;
mod guard;
mod letters;
mod pulse;
mod routes;
mod sent;
mod state;

use std::sync::Arc;

pub use guard::Viewers;
use questline_events::Rules;
use questline_runtime::{CancellationToken, clock::Clock, metrics::Metrics};
use questline_stores::saved::Ask;
pub use routes::routes;
pub use sent::Sent;

/// What the page is served from.
pub struct Config {
    /// The warehouse.
    pub source: Arc<dyn Ask>,
    /// The log, where the page knows it: what was sent is read there.
    pub sent: Option<Sent>,
    /// The figures of this process, where it is the one that ingests and processes.
    pub metrics: Option<Arc<Metrics>>,
    /// By what dead letters would be judged if they came again.
    pub rules: Arc<Rules>,
    /// Where the form for test events sends them, and the write key that it proposes.
    pub form: Option<Form>,
    /// Who is let in.
    pub viewers: Viewers,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Ends the streams.
    pub stop: CancellationToken,
}

/// The form for test events.
#[derive(Debug, Clone)]
pub struct Form {
    /// Where ingest is; empty where it is at the page's own address.
    pub ingest: String,
    /// The write key that stands in the form at first.
    pub key: String,
}
