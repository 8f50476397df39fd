#![doc = include_str!("../README.md")]

mod arguments;
mod daily;
mod ledger;
mod lines;
mod query;
mod replay;
mod reprocess;
mod send;
mod show;
mod topics;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser as _;
use questline_client::Place;

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { data_dir, url, command } = Arguments::parse();
    let place = Place::new(data_dir).at(url);
    let well = match command {
        Command::Send(send) => send::run(&place, send).await,
        Command::Query(query) => query::run(&place, &query).await.map(|()| true),
        Command::Ledger(ledger) => ledger::run(&place, &ledger).await,
        Command::Reprocess(reprocess) => reprocess::run(&place, &reprocess).await,
        Command::Replay(replay) => replay::run(&place, &replay).await.map(|()| true),
        Command::Daily(daily) => daily::run(&place, &daily).await,
        Command::Topics(topics) => topics::run(&topics).await.map(|()| true),
    };
    match well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            show::error(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}
