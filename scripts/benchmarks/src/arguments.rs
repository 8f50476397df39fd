//! What is measured.

use clap::{Parser, Subcommand};

use crate::server::What;

/// Measures what the work costs, as ratios in one run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
    /// Interleaved rounds of the parts that compare.
    #[arg(long, global = true, default_value_t = 7)]
    pub(crate) rounds: usize,
    /// Events of the whole stack's run.
    #[arg(long, global = true, default_value_t = 2_000_000)]
    pub(crate) events: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Part {
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
        what: What,
        directory: std::path::PathBuf,
        #[arg(long)]
        brokers: String,
    },
}
