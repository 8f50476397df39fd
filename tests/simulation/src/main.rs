//! Any number of seeds from the command line.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use questline_simulation::{Outcome, plant::Plant, run};

/// Runs the real functions in simulated worlds, one for each seed.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Plants a bug: then a seed that finds it is a success.
    #[arg(long)]
    plant: Option<Plant>,
    /// Tells what happens in the first seed's world, and runs no other.
    #[arg(long)]
    story: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { first, seeds, plant, story } = Arguments::parse();
    let found = if story {
        vec![run(first, plant, true)?]
    } else {
        sweep(first..first.saturating_add(seeds), plant)?
    };
    let wrong = found.iter().filter(|outcome| !outcome.findings.problems.is_empty());
    let wrong: Vec<_> = wrong.collect();
    for outcome in wrong.iter().take(10) {
        say(&format!("seed {}:", outcome.seed));
        for problem in &outcome.findings.problems {
            say(&format!("  {problem}"));
        }
    }
    let sum = |of: fn(&Outcome) -> usize| found.iter().map(of).sum::<usize>();
    say(&format!(
        "{} worlds, {} events, {} records, {} rows, {} letters, {} minutes proved, {} unproved; \
         {} worlds in which something is wrong",
        found.len(),
        sum(|outcome| outcome.findings.events),
        sum(|outcome| outcome.findings.records),
        sum(|outcome| outcome.findings.rows),
        sum(|outcome| outcome.findings.letters),
        sum(|outcome| outcome.findings.proved),
        sum(|outcome| outcome.findings.unproved),
        wrong.len(),
    ));
    let good = wrong.is_empty() == plant.is_none();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the command's own voice")]
fn say(line: &str) {
    println!("{line}");
}

/// Every seed of a range, on every core.
fn sweep(seeds: std::ops::Range<u64>, plant: Option<Plant>) -> anyhow::Result<Vec<Outcome>> {
    let next = AtomicU64::new(seeds.start);
    let bar = ProgressBar::new(seeds.end - seeds.start);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}")?);
    let work = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end {
                return Ok(found);
            }
            found.push(run(seed, plant, false)?);
            bar.inc(1);
        }
    };
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut found = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let found = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a world panicked")))
        });
        found.collect::<anyhow::Result<Vec<_>>>()
    })?
    .concat();
    bar.finish_and_clear();
    found.sort_by_key(|outcome| outcome.seed);
    Ok(found)
}
