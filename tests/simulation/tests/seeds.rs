//! Many worlds keep the promise; a seed is a run; every planted bug is found.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{
    sync::{Arc, Mutex},
    thread,
};

use clap::ValueEnum as _;
use questline_simulation::{
    life::Life,
    log::{Brokers, SimLog},
    plant::Plant,
    run,
    world::World,
};
use questline_stores::{contract::log as contract, log::Log as _};

const SEEDS: u64 = 1_000;

/// What went wrong in the worlds of some seeds.
fn wrong(seeds: std::ops::Range<u64>, plant: Option<Plant>) -> Vec<String> {
    let problems = |seed| run(seed, plant, false).unwrap().findings.problems;
    seeds
        .flat_map(|seed| problems(seed).into_iter().map(move |what| format!("{seed}: {what}")))
        .collect()
}

#[test]
fn every_world_keeps_the_promise() {
    let half = SEEDS / 2;
    let (low, high) = thread::scope(|scope| {
        let low = scope.spawn(|| wrong(1..half + 1, None));
        (low.join().unwrap(), wrong(half + 1..SEEDS + 1, None))
    });
    assert_eq!([low, high].concat(), Vec::<String>::new());
}

#[test]
fn a_seed_is_a_run() {
    for seed in 1..6 {
        assert_eq!(run(seed, None, false).unwrap(), run(seed, None, false).unwrap());
    }
    assert_ne!(run(1, None, false).unwrap().trace, run(2, None, false).unwrap().trace);
}

#[test]
fn every_planted_bug_is_found() {
    for plant in Plant::value_variants() {
        let found = (1..200).find(|seed| !wrong(*seed..seed + 1, Some(*plant)).is_empty());
        assert!(found.is_some(), "{plant:?} is not found");
    }
}

/// The simulated log keeps the contract that the real ones keep.
#[tokio::test(start_paused = true)]
async fn the_simulated_log_is_a_log() {
    let kept = Mutex::new(std::collections::BTreeMap::<String, Arc<Mutex<Brokers>>>::new());
    let world = World::new(1, None, false);
    world.calm_down();
    contract::suite(async |name| {
        let brokers = kept.lock().unwrap().entry(name.to_owned()).or_default().clone();
        let log = SimLog::new(&world, &brokers, &Life::new(), "member").with_id(name);
        let (appender, reader) = (Arc::new(log.clone()), Arc::new(log.clone()));
        let joins = Mutex::new(0);
        let join = move |group: &str| {
            *joins.lock().unwrap() += 1;
            let member = format!("member-{}", joins.lock().unwrap());
            log.clone().named(&member).join(group).unwrap()
        };
        contract::OpenLog { appender, reader, past: None, join: Box::new(join) }
    })
    .await;
}
