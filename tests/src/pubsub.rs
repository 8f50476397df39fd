//! Google's own test server for Pub/Sub, for tests.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server with one topic and one subscription to it. Dropping it kills it.
#[derive(Debug)]
pub struct Pubsub {
    /// `host:port`.
    pub address: String,
    process: Child,
}

impl Pubsub {
    /// The topic's name.
    pub const TOPIC: &str = "projects/game/topics/metrics-ready";
    /// The subscription's name.
    pub const SUBSCRIPTION: &str = "projects/game/subscriptions/ml-trigger";

    /// Builds and starts it; none where Go cannot build it.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Option<Self> {
        let (sources, program) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("pubsub"), folder.join("pubsub"));
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&program).current_dir(sources).stdin(Stdio::null());
        if !go.status().is_ok_and(|built| built.success()) {
            return None;
        }
        let mut command = Command::new(program);
        command.args([Self::TOPIC, Self::SUBSCRIPTION]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the server starts");
        let mut address = String::new();
        let said = process.stdout.take().expect("its standard output");
        BufReader::new(said).read_line(&mut address).expect("its first line");
        Some(Self { address: address.trim().to_owned(), process })
    }
}

impl Drop for Pubsub {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
