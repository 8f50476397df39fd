//! The figures of this process, once a second: what a page is opened with, and what it then gets.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use questline_events::limits::DASHBOARD_SECONDS;
use questline_runtime::metrics::Metrics;
use serde::Serialize;
use tokio::sync::broadcast;

const SECOND: Duration = Duration::from_secs(1);

/// One look at the counters. Sums are since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sample {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) stored: u64,
    pub(crate) rejected: u64,
    pub(crate) deferred: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) lag: i64,
    /// Attempts at the warehouse or the log that failed.
    pub(crate) retries: u64,
    /// Whether processing runs.
    pub(crate) working: bool,
    /// Unix time of the last closed minute.
    pub(crate) closed_through: i64,
}

impl Sample {
    fn of(metrics: &Metrics, now_micros: i64) -> Self {
        let ingest = |outcome: &str| metrics.ingest_events.get_or_create(&outcome.into()).get();
        let process = |outcome: &str| metrics.process_records.get_or_create(&outcome.into()).get();
        Self {
            at: now_micros / 1_000,
            stored: ingest("stored"),
            rejected: ingest("rejected"),
            deferred: ingest("deferred"),
            accepted: process("accepted"),
            duplicate: process("duplicate"),
            dead_lettered: process("dead_lettered"),
            lag: metrics.process_lag.get(),
            retries: metrics.process_retries.get(),
            working: metrics.process_working.get() == 1,
            closed_through: metrics.ledger_closed_through.get(),
        }
    }
}

/// The last minutes, second by second.
pub(crate) struct Pulse {
    past: Mutex<VecDeque<Sample>>,
    news: broadcast::Sender<Sample>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { past: Mutex::default(), news: broadcast::Sender::new(8) }
    }
}

impl Pulse {
    /// Looks once a second, for good.
    pub(crate) async fn beat(&self, metrics: &Metrics, now_micros: impl Fn() -> i64) {
        let mut seconds = tokio::time::interval(SECOND);
        seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            let sample = Sample::of(metrics, now_micros());
            {
                let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
                past.push_back(sample);
                if past.len() > DASHBOARD_SECONDS {
                    past.pop_front();
                }
                // Within the lock, so that whoever listens misses none and sees none twice.
                _ = self.news.send(sample);
            }
        }
    }

    /// What was, and what will be.
    pub(crate) fn listen(&self) -> (Vec<Sample>, broadcast::Receiver<Sample>) {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        (past.iter().copied().collect(), self.news.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_comes_late_sees_the_last_minutes_and_every_second_from_then_on() {
        let (pulse, metrics) = (Arc::new(Pulse::default()), Arc::new(Metrics::default()));
        let beating = tokio::spawn({
            let (pulse, metrics) = (pulse.clone(), metrics.clone());
            async move { pulse.beat(&metrics, || 7_000_000).await }
        });
        let long = Duration::from_secs(u64::try_from(DASHBOARD_SECONDS).unwrap() + 10);
        tokio::time::sleep(long).await;
        let (past, mut news) = pulse.listen();
        assert_eq!(past.len(), DASHBOARD_SECONDS);
        metrics.ingest_events.get_or_create(&"stored".into()).inc_by(3);
        let next = news.recv().await.unwrap();
        assert_eq!((next.at, next.stored, next.working), (7_000, 3, false));
        beating.abort();
    }
}
