//! One run: some minutes of play in a hostile world, then calm, then the checks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use questline_process::GROUP;
use questline_runtime::CancellationToken;
use questline_stores::{Topic, log::Reader as _};
use tokio::time::Instant;

use crate::{
    check::{self, Findings},
    life::Life,
    log::{Brokers, SimLog},
    nodes::{Machine, release},
    plant::Plant,
    players::{Book, Doors, Player},
    tables::Tables,
    world::World,
};

/// Whatever was begun is done after this long in a calm world.
const PATIENCE: Duration = Duration::from_secs(600);
/// The reason of letters that a faulty release has written.
const MENDED: &str = "invalid_parameters";

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What the checks found.
    pub findings: Findings,
    /// Everything that happened, as one number.
    pub trace: u64,
}

/// Runs the world of a seed in this thread. `shown`: what happens is printed.
///
/// # Errors
/// If the world cannot be made.
pub fn run(seed: u64, plant: Option<Plant>, shown: bool) -> anyhow::Result<Outcome> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(story(seed, plant, shown))
}

async fn story(seed: u64, plant: Option<Plant>, shown: bool) -> anyhow::Result<Outcome> {
    let world = World::new(seed, plant, shown);
    let machine = Machine {
        world: world.clone(),
        brokers: Arc::new(Mutex::new(Brokers::default())),
        tables: Arc::new(Mutex::new(Tables::default())),
        doors: Doors::default(),
        release: Arc::new(Mutex::new(release(world.chance.one_in(2))?)),
    };
    let book = Book::default();
    let players = (0..world.chance.number(2..6)).map(|number| {
        let (world, doors, book) = (world.clone(), machine.doors.clone(), book.clone());
        tokio::spawn(Player { world, number, doors, book }.play())
    });
    let players: Vec<_> = players.collect();
    let ingests = (0..2).map(|number| tokio::spawn(machine.clone().ingests(number)));
    let ingests: Vec<_> = ingests.collect();
    let processors = (0..world.chance.number(1..4))
        .map(|number| tokio::spawn(machine.clone().processors(number)));
    let processors: Vec<_> = processors.collect();
    let outages = tokio::spawn(outages(world.clone()));
    let operator = tokio::spawn(operator(machine.clone()));

    tokio::time::sleep(world.chance.time(60_000..180_000)).await;
    world.calm_down();
    world.note("calm", &[]);
    for task in players.into_iter().chain(processors).chain([outages]) {
        task.await?;
    }
    for ingest in ingests {
        ingest.await??;
    }
    operator.await??;
    let settled = settle(&machine).await;
    let mut brokers = machine.brokers.lock().unwrap_or_else(PoisonError::into_inner);
    let tables = machine.tables.lock().unwrap_or_else(PoisonError::into_inner);
    let book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let mut findings = check::all(&mut brokers, &tables, &book);
    findings.problems.extend(settled.err());
    Ok(Outcome { seed, findings, trace: world.trace() })
}

/// The log and the warehouse are away now and then.
async fn outages(world: Arc<World>) {
    while !world.is_calm() {
        tokio::time::sleep(world.chance.time(1_000..60_000)).await;
        let log = world.chance.one_in(2);
        let what = if log { &world.log_up } else { &world.warehouse_up };
        if world.is_calm() {
            return;
        }
        world.note("away", &[i64::from(log)]);
        what.set(false);
        tokio::time::sleep(world.chance.time(100..20_000)).await;
        what.set(true);
        world.note("back", &[i64::from(log)]);
    }
}

/// A release at fault, its mend, and letters brought back meanwhile, by runs that may be killed.
async fn operator(machine: Machine) -> anyhow::Result<()> {
    let world = &machine.world;
    for sound in [false, true] {
        tokio::time::sleep(world.chance.time(1_000..60_000)).await;
        *machine.release.lock().unwrap_or_else(PoisonError::into_inner) = release(sound)?;
        world.note("release", &[i64::from(sound)]);
        let life = Life::new();
        let (running, ending) = (machine.clone(), life.clone());
        let run = tokio::spawn(async move { running.reprocess(&ending, None).await });
        tokio::time::sleep(world.chance.time(100..30_000)).await;
        life.end();
        run.abort();
    }
    Ok(())
}

/// Lets everything that was begun come to its end: all letters that can pass are brought back, all
/// that is in the log is processed, every minute is closed.
async fn settle(machine: &Machine) -> Result<(), String> {
    *machine.release.lock().unwrap_or_else(PoisonError::into_inner) =
        release(true).map_err(|error| error.to_string())?;
    let (life, stop) = (Life::new(), CancellationToken::new());
    let running = machine.processor("process-last", &life, &stop);
    let log = SimLog::new(&machine.world, &machine.brokers, &life, "onlooker");
    processed(&log).await?;
    let began = Instant::now();
    while !machine.reprocess(&life, Some(MENDED)).await {
        processed(&log).await?;
        if began.elapsed() > PATIENCE {
            return Err("letters that would pass are not brought back".to_owned());
        }
    }
    processed(&log).await?;
    let last = machine.world.now_micros();
    let began = Instant::now();
    loop {
        let closed = machine.tables.lock().unwrap_or_else(PoisonError::into_inner).ledger_state();
        if closed.closed_through.is_some_and(|through| through + 60_000_000 >= last) {
            break;
        }
        if began.elapsed() > PATIENCE {
            return Err("minutes are not closed".to_owned());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stop.cancel();
    _ = running.await;
    Ok(())
}

async fn processed(log: &SimLog) -> Result<(), String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let (ends, committed) = (log.ends(Topic::Raw).await, log.committed(GROUP).await);
        if let (Ok(ends), Ok(committed)) = (ends, committed)
            && questline_stores::log::behind(&ends, &committed) == 0
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err("the log is not processed".to_owned())
}
