//! What every warehouse does for the runs of days, and for the results of their checks.

use questline_events::Day;

use crate::daily::{
    Attempt, Broken, CHECKS, CheckResult, DayWarehouse, Readiness, Residue, Snapshot, State,
};

const NOON: i64 = 1_795_435_200_000_000;

fn day() -> Day {
    Day::of(NOON).plus(-1)
}

fn attempt(run: &str, step: &str, started_at: i64) -> Attempt {
    Attempt {
        day: day(),
        run: run.to_owned(),
        step: step.to_owned(),
        attempt: 1,
        state: State::Running,
        started_at,
        finished_at: None,
        error: None,
        snapshot: None,
    }
}

/// Runs every case, on empty tables.
///
/// # Panics
/// If the warehouse breaks the contract.
pub async fn suite(days: &dyn DayWarehouse) {
    nothing_is_known_of_an_empty_warehouse(days).await;
    an_attempt_is_begun_by_one(days).await;
    what_became_of_an_attempt_stands_once(days).await;
    results_of_checks_are_kept_by_run(days).await;
}

async fn nothing_is_known_of_an_empty_warehouse(days: &dyn DayWarehouse) {
    assert_eq!(days.attempts(day(), day()).await.unwrap(), []);
    assert_eq!(days.days(day(), day()).await.unwrap(), []);
    assert_eq!(days.residue(day()).await.unwrap(), Residue::default());
    assert_eq!(days.readiness(day()).await.unwrap(), Readiness::default());
}

async fn an_attempt_is_begun_by_one(days: &dyn DayWarehouse) {
    let ours = attempt("1", "wait", NOON);
    assert!(days.begin(&ours).await.unwrap());
    let theirs = Attempt { started_at: NOON + 1, ..ours.clone() };
    assert!(!days.begin(&theirs).await.unwrap(), "somebody else has");
    assert_eq!(days.attempts(day(), day()).await.unwrap(), [ours]);
    let at_once = (attempt("1", "day_rows", NOON + 2), attempt("1", "day_rows", NOON + 3));
    let begun = tokio::join!(days.begin(&at_once.0), days.begin(&at_once.1));
    let begun = (begun.0.unwrap(), begun.1.unwrap());
    assert!(!(begun.0 && begun.1), "at most one of two");
}

async fn what_became_of_an_attempt_stands_once(days: &dyn DayWarehouse) {
    let snapshot = Some(Snapshot { rows: 5, touches: 0 });
    let begun = attempt("2", "day_rows", NOON + 10);
    assert!(days.begin(&begun).await.unwrap());
    let finished_at = Some(NOON + 11);
    let done = Attempt { state: State::Done, finished_at, snapshot, ..begun.clone() };
    let failed = attempt("2", "level_metrics", NOON + 12);
    let error = Some("it's \"broken\": é".to_owned());
    let failed = Attempt { state: State::Failed, finished_at, error, ..failed };
    for attempt in [&done, &done, &failed] {
        days.record(attempt).await.unwrap();
    }
    let found = days.attempts(day(), day()).await.unwrap();
    assert_eq!(found, [done, failed], "of the last run, and nothing of the one before");
    assert_eq!(days.attempts(day().plus(1), day().plus(9)).await.unwrap(), []);
    let other = Attempt { day: day().plus(1), ..begun };
    days.record(&other).await.unwrap();
    assert_eq!(days.attempts(day(), day().plus(9)).await.unwrap().last(), Some(&other));
}

async fn results_of_checks_are_kept_by_run(days: &dyn DayWarehouse) {
    let result = |check: usize, rows: u64| CheckResult {
        check: &CHECKS[check],
        broken: Broken {
            rows,
            first: vec![
                serde_json::json!({"level_id": "'7\"", "rate": 1.0 / 3.0});
                rows.min(1) as usize
            ],
        },
        checked_at: NOON,
    };
    let shown = |results: Vec<CheckResult>| {
        results.iter().map(|kept| (kept.check.name, kept.broken.rows)).collect::<Vec<_>>()
    };
    let results = [result(0, 0), result(2, 7)];
    for _ in 0..2 {
        days.keep(day(), "1", &results).await.unwrap();
    }
    days.keep(day(), "2", &[result(0, 3)]).await.unwrap();
    let mut kept = shown(days.kept(day(), "1").await.unwrap());
    kept.sort_unstable();
    assert_eq!(kept, [("day_rows/completion_nulls", 7), ("day_rows/data_present", 0)]);
    assert_eq!(shown(days.kept(day(), "2").await.unwrap()), [("day_rows/data_present", 3)]);
    assert_eq!(shown(days.kept(day().plus(1), "1").await.unwrap()), []);
}
