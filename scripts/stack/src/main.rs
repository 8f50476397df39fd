#![doc = include_str!("../README.md")]

mod arguments;
mod days;
mod figures;
mod operator;
mod page;
mod players;
mod processing;
mod stack;

use clap::Parser as _;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let ended = stack::run(arguments::Arguments::parse()).await;
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
