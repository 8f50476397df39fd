//! Days on a real warehouse.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use questline_daily_aggregate::{Failure, Reach, Report, platform::Request, report::Standing};
use questline_runtime::{clock::Clock as _, metrics::Metrics};
use questline_stores::{
    daily::{Attempt, Runs as _, State, Table},
    warehouse::WarehouseError,
};
use questline_warehouse_duckdb::DuckdbWarehouse;
use serde_json::{Value, json};
use support::{
    Place, Set, day, everything,
    faulty::{Faulty, Hook, failing},
    play, run_telling,
};

const NIGHT: &str = "2024-03-01T02:00:00Z";
const CLOSED: &str = "2024-03-01T00:10:00Z";

/// A day of play, ready to be closed.
async fn played(directory: &std::path::Path) -> Place {
    let mut place = Place::open(directory, NIGHT);
    place.events(&play()).await;
    place.close_ledger(CLOSED).await;
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_closed_by_the_definitions() {
    let folder = tempfile::tempdir().unwrap();
    let place = played(folder.path()).await;
    let report = place.run(day("2024-02-29")).await.unwrap();
    assert_eq!((report.standing, report.why), (Standing::Done, None));
    assert_eq!(report.steps.len(), 13);
    let levels = "SELECT level_id, attempts, completions, p50_moves, p95_moves, retry_rate
        FROM level_metrics ORDER BY 1";
    let third = 1.0 / 3.0;
    let expected = json!([
        ["1", 3, 2, 10, 20, third],
        ["starts", 1, 0, null, null, 0.0],
        ["wins", 1, 1, 7, 7, null]
    ]);
    assert_eq!(place.rows(levels).await, expected.to_string());
    let revenue = "SELECT purchases, payers, revenue_usd::VARCHAR, arppu::VARCHAR
        FROM revenue_daily_metrics WHERE country = 'all'";
    assert_eq!(place.rows(revenue).await, r#"[[1,1,"4.990000000","4.990000000"]]"#);
    let users = "SELECT user_id, sessions, levels_played, playtime_minutes FROM user_daily_metrics
        ORDER BY 1";
    assert_eq!(place.rows(users).await, r#"[["u1",1,2,1.5],["u2",1,2,0.0]]"#);
    let minutes = "SELECT (SELECT sum(events) FROM events_1min_closed)::BIGINT,
        (SELECT sum(events) FROM events_1min)::BIGINT, (SELECT count(*) FROM day_rows)";
    assert_eq!(place.rows(minutes).await, "[[12,12,12]]");

    let features = folder.path().join("features/level_features/2024-02-29");
    let manifest = std::fs::read(features.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!((&manifest["day"], &manifest["rows"]), (&json!("2024-02-29"), &json!(3)));
    assert_eq!(manifest["checks"]["day_rows/data_present"], "passed");
    assert_eq!(manifest["files"][0]["path"], "part-0.parquet");
    let message = std::fs::read_to_string(folder.path().join("metrics-ready.ndjson")).unwrap();
    let message: Value = serde_json::from_str(message.trim()).unwrap();
    let at = "level_features/2024-02-29/manifest.json";
    assert_eq!((&message["manifest"], &message["run"]), (&json!(at), &json!("2024-02-29.1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_is_run_again_is_the_same_also_by_two_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = played(folder.path()).await;
    let leap = day("2024-02-29");
    place.run(leap).await.unwrap();
    let first = everything(&place.warehouse).await;
    let part = folder.path().join("features/level_features/2024-02-29/part-0.parquet");
    let bytes = std::fs::read(&part).unwrap();
    place.run(leap).await.unwrap();
    let runs = "SELECT DISTINCT run_id FROM quality_results ORDER BY 1";
    assert_eq!(place.rows(runs).await, r#"[["2024-02-29.1"],["2024-02-29.2"]]"#);
    let without_checks = |tables: &[String]| tables[..tables.len() - 1].to_vec();
    let again = everything(&place.warehouse).await;
    assert_eq!(without_checks(&again), without_checks(&first));
    assert_eq!(std::fs::read(&part).unwrap(), bytes, "the same rows are the same file");

    let (one, two) = tokio::join!(place.run(leap), place.run(leap));
    let (run, busy) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_eq!(run.unwrap().standing, Standing::Done);
    assert!(matches!(busy, Err(Failure::Busy(_))), "the second start says so");
    let again = everything(&place.warehouse).await;
    assert_eq!(without_checks(&again), without_checks(&first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_waits_for_the_ledger_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), NIGHT);
    place.events(&play()).await;
    let leap = day("2024-02-29");
    let unfinished = place.run(leap).await.unwrap();
    assert_eq!(unfinished.standing, Standing::Unfinished);
    let why = "10 minutes of the ledger are still open, from 2024-02-29T10:00:00Z on";
    assert_eq!(unfinished.why.as_deref(), Some(why));
    place.close_ledger("2024-02-29T23:58:00Z").await;
    let page = json!({"hop": "ingest", "source": "boot", "app_id": "a", "seq": 1,
        "minute": "2024-02-29T23:59:00Z", "received": 1, "stored": 1});
    place.ledger(&[page]).await;
    place.clock.to("2024-03-01T02:55:00Z");
    let why = place.run(leap).await.unwrap().why.unwrap();
    assert!(why.contains("1 minutes") && why.contains("2024-02-29T23:59:00Z"), "{why}");
    place.clock.to("2024-03-01T03:00:01Z");
    let report = place.run(leap).await.unwrap();
    assert_eq!(report.standing, Standing::Failed);
    let error = "SELECT state, error FROM pipeline_runs";
    assert!(place.rows(error).await.contains("questline daily --date 2024-02-29"));
    // When it is there after all, a run of a person closes the day.
    place.close_ledger(CLOSED).await;
    assert_ne!(place.run(leap).await.unwrap().standing, Standing::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warehouse_that_cannot_be_asked_whether_a_day_is_ready_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = DuckdbWarehouse::open(folder.path()).unwrap();
    let away = Arc::new(AtomicBool::new(true));
    let stays_away = away.clone();
    let hook: Hook = Arc::new(move |step: &str, moment: &str| match (step, moment) {
        ("wait", "before") if stays_away.load(Ordering::Relaxed) => {
            Err(WarehouseError::Unavailable("the network is down".into()))
        }
        _ => Ok(()),
    });
    let faulty = Arc::new(Faulty { inner: warehouse.clone(), hook });
    let mut place = Place::over(folder.path(), warehouse, faulty, Set::at(NIGHT));
    place.events(&play()).await;
    place.close_ledger(CLOSED).await;
    let leap = day("2024-02-29");
    let why = "the warehouse is not available: the network is down";
    for minutes in [0, 59] {
        place.clock.on(minutes);
        let report = place.run(leap).await.unwrap();
        assert_eq!((report.standing, report.why.as_deref()), (Standing::Unfinished, Some(why)));
    }
    place.clock.on(1);
    let late = place.run(leap).await.unwrap();
    assert_eq!(late.standing, Standing::Failed);
    assert!(late.why.unwrap().contains(why));
    assert_eq!(place.run(leap).await.unwrap().run, "2024-02-29.2");
    away.store(false, Ordering::Relaxed);
    let report = place.run(leap).await.unwrap();
    assert_eq!((report.standing, &*report.run), (Standing::Done, "2024-02-29.2"), "it went on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_does_not_wait_for_a_log_that_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), NIGHT);
    place.events(&play()).await;
    place.close_ledger("2024-02-29T12:00:00Z").await;
    let leap = day("2024-02-29");
    let open = "3 minutes of the ledger are still open, from 2024-02-29T12:10:00Z on";
    // Its processing stands still: nobody has taken its place, or not for long.
    assert_eq!(place.run(leap).await.unwrap().why.as_deref(), Some(open));
    let other = |minute: &str| json!({"log_id": "other", "hop": "closed", "minute": minute});
    place.ledger(&[other("2024-02-29T14:30:00Z")]).await;
    assert_eq!(place.run(leap).await.unwrap().why.as_deref(), Some(open));
    place.ledger(&[other("2024-03-01T00:10:00Z")]).await;
    let report = place.run(leap).await.unwrap();
    assert_eq!((report.standing, report.why), (Standing::Done, None));
    let left = "SELECT minutes, unproved FROM ledger_days WHERE hop = 'log'";
    assert_eq!(place.rows(left).await, "[[10,3]]", "nobody may say that nothing was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_day_fails_data_present_and_exports_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::open(folder.path(), NIGHT);
    place.close_ledger(CLOSED).await;
    let report = place.run(day("2024-02-29")).await.unwrap();
    assert_eq!(report.standing, Standing::Stopped);
    assert!(report.why.unwrap().contains("day_rows/data_present"));
    let kept =
        "SELECT check_name, broken_rows, broken::VARCHAR FROM quality_results WHERE NOT passed";
    assert_eq!(place.rows(kept).await, r#"[["day_rows/data_present",1,"[{\"events\":0}]"]]"#);
    assert!(!folder.path().join("features").exists());
    assert!(!folder.path().join("metrics-ready.ndjson").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_residue_is_recorded_and_stops_the_export() {
    let folder = tempfile::tempdir().unwrap();
    let place = played(folder.path()).await;
    let features = folder.path().join("features/level_features");
    assert_eq!(place.run(day("2024-02-29")).await.unwrap().standing, Standing::Done);
    assert!(features.join("2024-02-29/manifest.json").exists());
    let page = |seq: i64, hop: &str, members: Value| {
        let mut row = json!({"hop": hop, "source": "boot", "app_id": "a", "seq": seq,
            "minute": "2024-02-29T10:00:00Z"});
        row.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        row
    };
    let stored = page(101, "ingest", json!({"received": 3, "stored": 3, "closing": true}));
    let read = page(102, "process", json!({"read": 1, "accepted": 1}));
    place.ledger(&[stored, read]).await;
    let report = place.run(day("2024-02-29")).await.unwrap();
    assert_eq!(report.standing, Standing::Stopped);
    assert!(report.why.unwrap().contains("misses"));
    let log = "SELECT residue FROM ledger_days WHERE hop = 'log'";
    assert_eq!(place.rows(log).await, "[[2]]");
    assert_eq!(place.rows("SELECT count(*) FROM level_metrics").await, "[[3]]", "metrics stand");
    assert!(!features.join("2024-02-29").exists(), "what was exported before had passed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_whose_letters_have_expired_stands_as_it_was_counted() {
    let leap = day("2024-02-29");
    let dead = json!({"hop": "process", "source": "boot", "app_id": "a", "read": 1,
        "dead_lettered": 1, "minute": "2024-02-29T10:00:00Z"});
    let mut stored = dead.clone();
    let page = json!({"hop": "ingest", "read": 0, "dead_lettered": 0, "received": 1, "stored": 1,
        "seq": 99, "closing": true});
    stored.as_object_mut().unwrap().extend(page.as_object().unwrap().clone());
    let words = "SELECT count(*) FROM pipeline_runs WHERE step = 'ledger_days'
        AND state = 'done' AND error LIKE '%letters are kept for 90 days%'";
    for (again, standing, stood) in [
        ("2024-05-28T23:59:00Z", Standing::Stopped, "[[0]]"),
        ("2024-05-29T00:00:00Z", Standing::Done, "[[1]]"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let place = played(folder.path()).await;
        assert_eq!(place.run(leap).await.unwrap().standing, Standing::Done);
        // A record became a letter, and that is gone.
        place.ledger(&[stored.clone(), dead.clone()]).await;
        place.clock.to(again);
        assert_eq!(place.run(leap).await.unwrap().standing, standing, "{again}");
        assert_eq!(place.rows(words).await, stood);
    }
    // What was never counted is counted whenever that is.
    let folder = tempfile::tempdir().unwrap();
    let place = played(folder.path()).await;
    place.clock.to("2024-06-30T02:00:00Z");
    assert_eq!(place.run(leap).await.unwrap().standing, Standing::Done);
    assert_eq!(place.rows("SELECT count(*) FROM ledger_days").await, "[[4]]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_step_is_tried_again_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = DuckdbWarehouse::open(folder.path()).unwrap();
    let hook = failing(&[(Table::LevelMetrics, 1), (Table::Purchases, 3)]);
    let faulty = Arc::new(Faulty { inner: warehouse.clone(), hook });
    let mut place = Place::over(folder.path(), warehouse, faulty, Set::at(NIGHT));
    place.events(&play()).await;
    place.close_ledger(CLOSED).await;
    let leap = day("2024-02-29");
    let first = place.run(leap).await.unwrap();
    assert_eq!(first.standing, Standing::Unfinished);
    let states =
        "SELECT step, attempt, state FROM pipeline_runs WHERE state <> 'done' ORDER BY ALL";
    let failed = r#"[["level_metrics",1,"failed"],["purchases",1,"failed"]]"#;
    assert_eq!(place.rows(states).await, failed);
    assert_eq!(place.rows("SELECT sum(events)::BIGINT FROM events_1min_closed").await, "[[12]]");
    let error = "SELECT error FROM pipeline_runs WHERE step = 'purchases'";
    let words = "the warehouse is not available: the disk is full; it is tried again in 5 minutes";
    assert_eq!(place.rows(error).await, json!([[words]]).to_string());
    place.clock.on(4);
    assert_eq!(place.run(leap).await.unwrap().steps, first.steps, "not yet");
    place.clock.on(1);
    assert_eq!(place.run(leap).await.unwrap().standing, Standing::Unfinished);
    assert_eq!(place.rows("SELECT count(*) FROM level_metrics").await, "[[3]]");
    place.clock.on(5);
    let last = place.run(leap).await.unwrap();
    assert_eq!(last.standing, Standing::Failed);
    let why = last.why.unwrap();
    assert!(why.starts_with("purchases: ") && why.contains("questline daily --date"), "{why}");
    // Mended: a new run, everything.
    assert_eq!(place.run(leap).await.unwrap().standing, Standing::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_comes_again_while_its_day_is_closed_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = DuckdbWarehouse::open(folder.path()).unwrap();
    let hook = failing(&[(Table::DayRows, 1)]);
    let faulty = Arc::new(Faulty { inner: warehouse.clone(), hook });
    let mut place = Place::over(folder.path(), warehouse, faulty, Set::at(NIGHT));
    let mut twice =
        json!({"event_id": "twice", "timestamp": "2024-02-28T10:00:00Z", "level_id": "1"});
    place.events(&play()).await;
    place.events(std::slice::from_ref(&twice)).await;
    place.close_ledger(CLOSED).await;
    let patience = std::time::Duration::from_secs(600);
    let due = async |place: &Place| {
        let reports = place.run.call_due(Reach::All { pause: 0 }, patience).await.unwrap();
        reports.iter().map(|report| report.standing).collect::<Vec<_>>()
    };
    assert_eq!(due(&place).await, [Standing::Unfinished, Standing::Done], "of the 29th, the rows");
    twice["timestamp"] = json!("2024-02-29T10:00:00Z");
    place.events(&[twice]).await;
    place.clock.on(5);
    assert_eq!(due(&place).await, [Standing::Done]);
    let counted = "SELECT event_date::VARCHAR FROM day_rows WHERE event_id = 'twice'";
    assert_eq!(place.rows(counted).await, r#"[["2024-02-28"]]"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_another_process_is_at_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = DuckdbWarehouse::open(folder.path()).unwrap();
    let hook: Hook = Arc::new(|step: &str, _: &str| match step {
        "alone" => Err(WarehouseError::Unavailable("others reach it".into())),
        _ => Ok(()),
    });
    let faulty = Arc::new(Faulty { inner: warehouse.clone(), hook });
    let mut place = Place::over(folder.path(), warehouse, faulty, Set::at(NIGHT));
    place.events(&play()).await;
    let before = json!({"timestamp": "2024-02-28T10:00:00Z", "level_id": "1"});
    place.events(&[before]).await;
    place.close_ledger(CLOSED).await;
    let (leap, eve) = (day("2024-02-29"), day("2024-02-28"));
    let run = "2024-02-29.1".to_owned();
    let elsewhere = Attempt {
        day: leap,
        run,
        step: Table::DayRows.name().to_owned(),
        attempt: 1,
        state: State::Running,
        started_at: place.clock.now_micros(),
        finished_at: None,
        error: None,
        snapshot: None,
    };
    assert!(place.warehouse.begin(&elsewhere).await.unwrap());
    let patience = std::time::Duration::from_secs(600);
    let told = |reports: Vec<Report>| {
        let told = reports.into_iter().map(|report| (report.day, report.standing, report.why));
        told.collect::<Vec<_>>()
    };
    let busy = Some("another run is at work: 2024-02-29.1".to_owned());
    let (theirs, ours) = ((leap, Standing::Unfinished, busy), (eve, Standing::Done, None));
    let due = place.run.call_due(Reach::All { pause: 0 }, patience).await.unwrap();
    assert_eq!(told(due), vec![theirs.clone(), ours.clone()]);
    assert_eq!(place.metrics.daily_fresh_through.get(), 0);
    let both = Request { date: Some(eve), through: Some(leap), resume: false };
    let reports = both.call(&place.run, patience).await.unwrap();
    assert_eq!(told(reports.days), vec![ours, theirs]);
    assert!(matches!(place.run(leap).await, Err(Failure::Busy(_))), "that day alone");
    // It was killed.
    place.clock.on(16);
    let due = place.run.call_due(Reach::All { pause: 0 }, patience).await.unwrap();
    assert_eq!(told(due), vec![(leap, Standing::Done, None)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_day_has_failed_nothing_is_called_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = DuckdbWarehouse::open(folder.path()).unwrap();
    let hook = failing(&[(Table::LevelMetrics, 3)]);
    let faulty = Arc::new(Faulty { inner: warehouse.clone(), hook });
    let mut place = Place::over(folder.path(), warehouse, faulty, Set::at(NIGHT));
    place.events(&play()).await;
    place.close_ledger(CLOSED).await;
    let patience = std::time::Duration::from_secs(600);
    let due = async || place.run.call_due(Reach::All { pause: 0 }, patience).await.unwrap();
    let fresh = || place.metrics.daily_fresh_through.get();
    // Failed, waiting to be tried again, twice more so, and failed for good.
    for (minutes, calls) in [(0, 1), (1, 0), (5, 1), (5, 1), (1, 0)] {
        place.clock.on(minutes);
        assert_eq!(due().await.len(), calls);
        assert_eq!(fresh(), 0, "the day has no metrics");
    }
    place.clock.on(60);
    assert_eq!(due().await[0].standing, Standing::Done);
    let now = place.clock.now_micros() / 1_000_000;
    assert_eq!(fresh(), now);
    place.clock.on(5);
    assert!(due().await.is_empty());
    assert_eq!(fresh(), now + 300, "nothing has changed meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_events_make_days_stale_and_only_those_are_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = played(folder.path()).await;
    let before = json!({"timestamp": "2024-02-28T23:59:59Z", "level_id": "1", "user_id": "u1"});
    place.events(std::slice::from_ref(&before)).await;
    let patience = std::time::Duration::from_secs(600);
    let all = Reach::All { pause: 0 };
    let closed = place.run.call_due(all, patience).await.unwrap();
    let days: Vec<_> = closed.iter().map(|report| report.day.to_string()).collect();
    assert_eq!(days, ["2024-02-29", "2024-02-28"]);
    assert!(place.run.call_due(all, patience).await.unwrap().is_empty(), "nothing has changed");
    place.clock.on(10);
    // Late; of a player in another offset, whose midnight was another one.
    let late = json!({"timestamp": "2024-02-29T23:30:00-02:00", "user_id": "u3", "level_id": "1"});
    place.events(&[late]).await;
    assert!(place.run.call_due(all, patience).await.unwrap().is_empty(), "that is 1 March");
    let mut late = before;
    late["event_id"] = json!("late");
    place.events(&[late]).await;
    let rebuilt = place.run.call_due(all, patience).await.unwrap();
    assert_eq!(rebuilt.iter().map(|report| report.day).collect::<Vec<_>>(), [day("2024-02-28")]);
    let starts = "SELECT attempts FROM level_metrics WHERE event_date = '2024-02-28'";
    assert_eq!(place.rows(starts).await, "[[2]]");
    assert_eq!(place.rows("SELECT count(*) FROM stale_days").await, "[[0]]");
    let touched = "SELECT event_date::VARCHAR, reason FROM touched_days";
    assert_eq!(place.rows(touched).await, r#"[["2024-02-28","late_events"]]"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_over_or_has_expired_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::open(folder.path(), NIGHT);
    for (text, said) in [("2024-03-01", "not over"), ("2023-02-28", "expired")] {
        let refused = place.run(day(text)).await.unwrap_err();
        assert!(matches!(&refused, Failure::Unusable(why) if why.contains(said)), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_new_tells_which_day_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let place = played(folder.path()).await;
    place.run(day("2024-02-29")).await.unwrap();
    let (days, metrics) = (Arc::new(place.warehouse.clone()), Arc::new(Metrics::default()));
    let run = run_telling(folder.path(), days, place.clock.clone(), metrics.clone());
    run.call_due(Reach::Night, Duration::from_secs(600)).await.unwrap();
    let end = day("2024-02-29").end() / 1_000_000;
    assert_eq!(metrics.daily_closed_through.get(), end);
}
