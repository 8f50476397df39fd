//! What every warehouse does for the book of training.

use questline_events::Day;

use crate::training::{TrainingRun, TrainingRuns};

const NOON: i64 = 1_795_435_200_123_456;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn entry(day: Day, attempt: u32, state: &str, recorded_at: i64) -> TrainingRun {
    let started = attempt > 0;
    TrainingRun {
        training_date: day,
        attempt,
        job_id: started.then(|| format!("job-{attempt}")),
        state: state.to_owned(),
        detail: (!started).then(|| "it's \"missing\": é".to_owned()),
        manifest: started.then(|| "gs://bucket/manifest.json".to_owned()),
        pipeline_version: "5f".to_owned(),
        function_version: "0.1.0".to_owned(),
        lookback_days: 30,
        days_present: 29,
        recorded_at,
    }
}

/// Runs every case, on an empty book.
///
/// # Panics
/// If the warehouse breaks the contract.
pub async fn suite(book: &dyn TrainingRuns) {
    let (earlier, sunday) = (day("2026-11-15"), day("2026-11-22"));
    assert_eq!(book.latest(Day::from_number(0)).await.unwrap(), []);
    let running = entry(sunday, 1, "running", NOON);
    let failed = entry(sunday, 1, "failed", NOON + 1);
    let second = entry(sunday, 2, "running", NOON);
    let not_met = entry(earlier, 0, "not_met", NOON + 2);
    for entry in [&failed, &running, &second, &not_met, &second] {
        book.record(entry).await.unwrap();
    }
    let all = book.latest(Day::from_number(0)).await.unwrap();
    assert_eq!(all, [not_met, failed.clone(), second.clone()], "the last of each attempt");
    assert_eq!(book.latest(sunday).await.unwrap(), [failed, second]);
    assert_eq!(book.latest(day("2026-11-23")).await.unwrap(), []);
}
