#![doc = include_str!("../README.md")]

mod answers;
mod core;
mod daily;
mod ingest;
mod kafka;
mod load;
mod looks;
mod page;
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
    /// What people who look at the page cost the stack.
    Page,
    /// How long the page's questions take over two weeks of play.
    Answers,
    /// The daily run over one large day.
    Daily {
        /// Events of the day.
        #[arg(long, default_value_t = 10_000_000)]
        day: usize,
    },
    /// Ingest and processing on Apache Kafka.
    Kafka,
    /// A process of its own for the other parts; started by them.
    #[command(hide = true)]
    Serve {
        what: server::What,
        directory: std::path::PathBuf,
        #[arg(long)]
        brokers: String,
    },
}

fn main() -> anyhow::Result<()> {
    let Arguments { part, rounds, events } = Arguments::parse();
    match part {
        Some(Part::Core) => core::run(rounds),
        Some(Part::Ingest) => ingest::run(rounds),
        Some(Part::Stack) => stack::run(events),
        Some(Part::Page) => page::run(rounds, events),
        Some(Part::Answers) => answers::run(rounds, 5 * events),
        Some(Part::Daily { day }) => daily::run(day),
        Some(Part::Kafka) => kafka::run(rounds, events),
        Some(Part::Serve { what, directory, brokers }) => server::run(what, &directory, &brokers),
        None => {
            core::run(rounds)?;
            ingest::run(rounds)?;
            stack::run(events)?;
            page::run(rounds, events)?;
            answers::run(rounds, 5 * events)?;
            kafka::run(rounds, events)
        }
    }
}
