//! What people type.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use questline_events::Day;

/// Works with a running Questline, or with what it left in its data directory.
#[derive(Debug, Parser)]
#[command(name = "questline", version)]
pub(crate) struct Arguments {
    /// The data directory of the local stack.
    #[arg(long, global = true, default_value = ".local", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Where to send, and whom to ask, if not the stack of the data directory.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sends events from files, and tells what became of them.
    Send(Send),
    /// Answers one read-only SELECT.
    Query(Query),
    /// Shows what was stored and what became of it, by hop and minute.
    Ledger(Ledger),
    /// Brings dead letters back, or tells what would become of them.
    Reprocess(Reprocess),
    /// Judges a range of the log anew, and replaces its rows.
    Replay(Replay),
    /// Closes days: metrics, quality checks, features.
    Daily(Daily),
    /// Makes the three topics of a Kafka where they are missing, and checks them.
    Topics(Topics),
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// NDJSON files, one event a line, also .gz; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The write key.
    #[arg(long, default_value = "local")]
    pub(crate) key: String,
    /// Events in a request.
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub(crate) batch: usize,
    /// How many seconds nobody may answer before it is given up.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) patience: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// One SELECT.
    #[arg(required_unless_present = "saved")]
    pub(crate) sql: Option<String>,
    /// A saved question instead, by its place under sql/; a wrong name lists them all.
    #[arg(long, value_name = "NAME", conflicts_with = "sql")]
    pub(crate) saved: Option<String>,
    /// What is asked of it: `from_time=2026-11-23T12:00:00Z`, `app_id=local`.
    #[arg(long = "where", value_name = "PARAMETER=VALUE", value_parser = pair, requires = "saved")]
    pub(crate) values: Vec<(String, String)>,
    /// How to show the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For spreadsheets.
    Csv,
    /// For programs: an array of objects.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Ledger {
    /// Have the running minute written, and wait until all that is in the log is processed.
    #[arg(long)]
    pub(crate) wait: bool,
    /// How many seconds to wait.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) deadline: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Reprocess {
    /// Only letters of this reason.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Only letters of this app.
    #[arg(long)]
    pub(crate) app: Option<String>,
    /// Only letters judged at this moment or later: RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Only letters judged before this moment.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only letters judged by this release: `events_dlq.function_version`.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Only letters written while the app's brake was pulled.
    #[arg(long)]
    pub(crate) held: bool,
    /// Gives a member a value: JSON, or else text. `parameters.level_id=7` reaches into an object.
    #[arg(long, value_name = "MEMBER=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// Gives a member another name.
    #[arg(long, value_name = "FROM=TO", value_parser = pair)]
    pub(crate) rename: Vec<(String, String)>,
    /// Gives a member another type: text, integer or number.
    #[arg(long, value_name = "MEMBER=TYPE", value_parser = pair)]
    pub(crate) cast: Vec<(String, String)>,
    /// Letters a second, at most.
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<u32>,
    /// Only tell how many would pass now, and why the others would not.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Records written to the log at this moment or later: RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// Records written before this moment: the open day's first, at most.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: String,
    /// A copy of the archive, for what the log does not keep any more: of its bucket, or of the
    /// folder of one log in it.
    #[arg(long, value_name = "DIR")]
    pub(crate) archive: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Daily {
    /// The day, or the first of them.
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Day,
    /// The last day.
    #[arg(long, value_name = "DATE")]
    pub(crate) through: Option<Day>,
    /// How many minutes a day may take, with what is tried again.
    #[arg(long, default_value_t = 30, value_name = "MINUTES")]
    pub(crate) patience: u64,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is to be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct Topics {
    /// The Kafka's brokers. How to sign in is read from the environment: `QUESTLINE_KAFKA_SIGN_IN`.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) brokers: String,
    /// Make none, only check.
    #[arg(long)]
    pub(crate) check: bool,
}
