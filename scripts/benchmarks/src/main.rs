#![doc = include_str!("../README.md")]

mod answers;
mod arguments;
mod core;
mod daily;
mod fill;
mod ingest;
mod kafka;
mod load;
mod looks;
mod page;
mod report;
mod server;
mod stack;

use arguments::{Arguments, Part};
use clap::Parser as _;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let Arguments { part, rounds, events } = Arguments::parse();
    let measured = match part {
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
    };
    measured.map(|()| report::verdict())
}
