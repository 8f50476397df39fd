//! What people type.

use std::path::PathBuf;

use clap::Parser;

/// The write key of the app of the same name, which exist nowhere else.
pub(crate) const LOCAL: &str = "local";

/// Starts the whole stack on 127.0.0.1: ingest, processing, the warehouse, and simulated players.
#[derive(Debug, Parser)]
#[command(name = "run-local")]
pub(crate) struct Arguments {
    /// Where everything is kept. Started again on the same directory, the stack goes on.
    #[arg(long, default_value = ".local", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8080, value_name = "N")]
    pub(crate) port: u16,
    /// A Kafka carries the log instead of the data directory: its brokers.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) brokers: Option<String>,
    /// Nobody plays.
    #[arg(long)]
    pub(crate) no_players: bool,
    /// Days of play that the players have behind them on a fresh directory.
    #[arg(long, default_value_t = 14, value_name = "DAYS")]
    pub(crate) history: u32,
    /// Events a second of the players, as a mean over the day.
    #[arg(long, default_value_t = 5.0, value_name = "N")]
    pub(crate) rate: f64,
    /// Seed of the players: the same seed plays the same game.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}
