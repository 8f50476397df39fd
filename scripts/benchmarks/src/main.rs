#![doc = include_str!("../README.md")]

mod core;
mod ingest;
mod load;
mod report;
mod server;
mod stack;

use clap::{Parser, Subcommand};

/// Measures what the work costs, as ratios in one run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Interleaved rounds of the parts that compare.
    #[arg(long, global = true, default_value_t = 7)]
    rounds: usize,
    /// Events of the whole stack's run.
    #[arg(long, global = true, default_value_t = 2_000_000)]
    events: usize,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The core against a syntax check and against SQL.
    Core,
    /// Ingest against its floor.
    Ingest,
    /// The whole stack.
    Stack,
    /// A server for the ingest part; started by it.
    #[command(hide = true)]
    Serve { what: server::What, directory: std::path::PathBuf },
}

fn main() -> anyhow::Result<()> {
    let Arguments { part, rounds, events } = Arguments::parse();
    match part {
        Some(Part::Core) => core::run(rounds),
        Some(Part::Ingest) => ingest::run(rounds),
        Some(Part::Stack) => stack::run(events),
        Some(Part::Serve { what, directory }) => server::run(what, &directory),
        None => {
            core::run(rounds)?;
            ingest::run(rounds)?;
            stack::run(events)
        }
    }
}
