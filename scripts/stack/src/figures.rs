//! The live figures.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use questline_runtime::{CancellationToken, metrics::Metrics};

/// What a person wants to know at a glance. Sums are since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) stored: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) lag: i64,
}

impl Figures {
    pub(crate) fn of(metrics: &Metrics) -> Self {
        let ingest = |outcome: &str| metrics.ingest_events.get_or_create(&outcome.into()).get();
        let process = |outcome: &str| metrics.process_records.get_or_create(&outcome.into()).get();
        Self {
            stored: ingest("stored"),
            accepted: process("accepted"),
            duplicate: process("duplicate"),
            dead_lettered: process("dead_lettered"),
            lag: metrics.process_lag.get(),
        }
    }
}

/// Shows a line: every second at a terminal, every ten elsewhere.
pub(crate) async fn show(metrics: Arc<Metrics>, stop: CancellationToken) {
    let live = std::io::stdout().is_terminal();
    let pause = Duration::from_secs(if live { 1 } else { 10 });
    let mut before = Figures::of(&metrics);
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let now = Figures::of(&metrics);
        let rate = (now.stored - before.stored) / pause.as_secs();
        let Figures { stored, accepted, duplicate, dead_lettered, lag, .. } = now;
        let line = format!(
            "{rate} events/s · {stored} stored · {accepted} accepted, {duplicate} duplicate, {dead_lettered} dead-lettered · lag {lag}"
        );
        if live {
            say(&format!("\r\x1b[K{line}"));
        } else {
            say(&format!("{line}\n"));
        }
        before = now;
    }
}

/// Tells a person something. Nobody may listen.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
