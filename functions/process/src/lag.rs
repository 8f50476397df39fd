//! How far behind processing is, and whether that grows: by what a platform counts its instances.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Growth is told over this long: batches make the lag go up and down in between.
const SPAN: Duration = Duration::from_secs(60);

/// The lag at the looks of the last minute, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Lag(VecDeque<(Instant, i64)>);

impl Lag {
    /// Takes note of the lag; gives the records a second by which it grew over the last minute.
    pub(crate) fn growth(&mut self, now: Instant, lag: i64) -> i64 {
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
