//! kill -9 in every step, before and after what it does: the next process goes on, and the day is what
//! it would have been.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test helpers")]

mod support;

use std::{ffi::OsStr, path::Path, sync::Arc};

use questline_daily_aggregate::{graph::GRAPH, report::Standing};
use questline_warehouse_duckdb::DuckdbWarehouse;
use support::{
    Place, Set, day, everything,
    faulty::{Faulty, holding},
    kill_child, play,
};

const NIGHT: &str = "2024-03-01T02:00:00Z";
/// Where the child is to hold still, `STEP MOMENT`, and its directory.
const HOLD: &str = "QUESTLINE_TEST_HOLD";
const DIRECTORY: &str = "QUESTLINE_TEST_DIRECTORY";

async fn fresh(directory: &Path) {
    let mut place = Place::open(directory, NIGHT);
    place.events(&play()).await;
    place.close_ledger("2024-03-01T00:10:00Z").await;
    place.warehouse.clone().close().await;
}

/// The process that is killed: it runs the day, and says when it has come to where it is to hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(hold), Ok(directory)) = (std::env::var(HOLD), std::env::var(DIRECTORY)) else { return };
    let directory = Path::new(&directory);
    let warehouse = DuckdbWarehouse::open(directory).unwrap();
    let faulty = Arc::new(Faulty { inner: warehouse.clone(), hook: holding(hold) });
    let place = Place::over(directory, warehouse, faulty, Set::at(NIGHT));
    place.run.call(day("2024-02-29"), false, std::time::Duration::from_secs(600)).await.unwrap();
    println!("never held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_the_same_whenever_its_process_is_killed() {
    let undisturbed = tempfile::tempdir().unwrap();
    fresh(undisturbed.path()).await;
    let leap = day("2024-02-29");
    let place = Place::open(undisturbed.path(), NIGHT);
    assert_eq!(place.run(leap).await.unwrap().standing, Standing::Done);
    let expected = everything(&place.warehouse).await;
    let mut kills = 0;
    for step in GRAPH.iter().map(|node| node.step.name()) {
        let folder = tempfile::tempdir().unwrap();
        fresh(folder.path()).await;
        // Written down as running; its table replaced, and nobody knows.
        for moment in ["begun", "record"] {
            let hold = format!("{step} {moment}");
            kill_child(&[(HOLD, OsStr::new(&hold)), (DIRECTORY, folder.path().as_os_str())]);
            kills += 1;
        }
        let place = Place::open(folder.path(), NIGHT);
        let patience = std::time::Duration::from_secs(600);
        let report = place.run.call(leap, false, patience).await.unwrap();
        assert_eq!(report.standing, Standing::Done, "{step}: {:?}", report.why);
        assert_eq!(report.run, "2024-02-29.1", "the very run went on");
        assert_eq!(everything(&place.warehouse).await, expected, "{step}");
        let part = "features/level_features/2024-02-29/part-0.parquet";
        let bytes = |place: &Path| std::fs::read(place.join(part)).unwrap();
        assert_eq!(bytes(folder.path()), bytes(undisturbed.path()), "{step}");
        let left = "SELECT count(*) FROM pipeline_runs WHERE state = 'running'";
        assert_eq!(place.rows(left).await, "[[0]]");
    }
    println!("{kills} kills, each run gone on with");
}
