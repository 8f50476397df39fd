//! Any number of seeds from the command line.

use std::process::ExitCode;

use clap::Parser;
use questline_simulation::{Outcome, plant::Plant, run, sweep};

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
