//! How far behind processing is, and whether that grows: by what a platform counts its instances.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use questline_runtime::{CancellationToken, metrics::Metrics};
use questline_stores::{
    Topic,
    log::{LogError, PROCESS_GROUP, Reader, behind},
};
use tokio::time::Instant;

/// Between two looks of [`watch`].
const PERIOD: Duration = Duration::from_secs(2);
/// Growth is told over this long: batches make the lag go up and down in between.
const SPAN: Duration = Duration::from_secs(60);

/// The lag at the looks of the last minute, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Lag(VecDeque<(Instant, i64)>);

/// Tells the lag, again and again until `stop`, also while a batch waits for the warehouse: between
/// batches alone, a processor that is stuck would go on telling what it knew before. A log that cannot
/// be asked now is asked the next time.
pub async fn watch(reader: Arc<dyn Reader>, metrics: Arc<Metrics>, stop: CancellationToken) {
    let looking = async {
        let mut lag = Lag::default();
        loop {
            if let Ok((ends, committed)) = look(&*reader, PROCESS_GROUP).await {
                lag.tell(&metrics, behind(&ends, &committed));
            }
            tokio::time::sleep(PERIOD).await;
        }
    };
    _ = stop.run_until_cancelled(looking).await;
}

/// The ends of the raw topic, and what a group has committed of it after that.
pub(crate) async fn look(
    reader: &dyn Reader,
    group: &str,
) -> Result<(Vec<i64>, Vec<Option<i64>>), LogError> {
    let ends = reader.ends(Topic::Raw).await?;
    Ok((ends, reader.committed(group).await?))
}

impl Lag {
    /// Shows the lag, and how it grows.
    pub(crate) fn tell(&mut self, metrics: &Metrics, lag: i64) {
        metrics.process_lag.set(lag);
        metrics.process_lag_growth.set(self.growth(Instant::now(), lag));
    }

    /// Takes note of the lag; gives the records a second by which it grew over the last minute.
    fn growth(&mut self, now: Instant, lag: i64) -> i64 {
        self.0.push_back((now, lag));
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= SPAN) {
            self.0.pop_front();
        }
        let (since, before) = self.0.front().copied().unwrap_or((now, lag));
        let seconds = i64::try_from(now.duration_since(since).as_secs()).unwrap_or(i64::MAX);
        (lag - before) / seconds.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_last_minute() {
        let (start, mut lag) = (Instant::now(), Lag::default());
        let mut at =
            |second: u64, records| lag.growth(start + Duration::from_secs(second), records);
        assert_eq!(at(0, 500), 0, "nothing is known yet");
        assert_eq!(at(10, 1_500), 100);
        assert_eq!(at(60, 6_500), 100);
        assert_eq!(at(70, 6_500), 83, "since second 10");
        assert_eq!(at(300, 6_500 - 23_000), -100, "it shrinks: since second 70");
        assert_eq!(at(360, 0), 275, "since second 300");
    }
}
