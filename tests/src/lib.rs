//! What tests of all crates share: visible skips, seeds, waiting for a condition, a
//! Kafka, a Pub/Sub, a BigQuery, an AWS, and a Google.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "test helpers")]

mod aws;
mod bigquery;
mod google;
mod kafka;
mod pubsub;

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write as _,
    net::TcpListener,
    sync::Mutex,
    time::{Duration, Instant},
};

pub use aws::Aws;
pub use bigquery::Bigquery;
pub use google::{Fault, Google, Known};
pub use kafka::{Kafka, PASSWORD, USER};
pub use pubsub::Pubsub;

/// Says that a test cannot run here. `scripts/test` collects the names from the file that
/// `QUESTLINE_SKIPS` names, prints them, and fails on one that `tests/allowed-skips.txt` lacks.
///
/// # Panics
/// If the list cannot be written: a skip that nobody sees is a pass that nobody earned.
#[expect(clippy::print_stderr, reason = "a test's own voice")]
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIPPED {name}: {why}");
    if let Some(path) = std::env::var_os("QUESTLINE_SKIPS") {
        let mut list = OpenOptions::new().append(true).create(true).open(path).expect("the list");
        // At once: other tests write there too.
        let line = format!("{name}\t{why}\n");
        list.write_all(line.as_bytes()).expect("the list of skips can be written");
    }
}

/// A port that nobody has at the moment: a server has to know its own before it listens.
///
/// # Panics
/// If a test panicked in here.
#[must_use]
pub fn free_port() -> u16 {
    // By tests of this process: nobody may listen there yet.
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    // Below those that the system gives to whoever asks for any, a test beside this one perhaps.
    let mut some = std::iter::repeat_with(|| fastrand::u16(20_000..32_000));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    some.find(|port| is_free(port) && given.insert(*port)).unwrap_or_default()
}

/// Polls a condition until it gives a value.
///
/// # Panics
/// If it gives none within `deadline`; `what` names it.
pub fn until<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until after midnight (UTC) where today ends before a test that speaks of days does.
#[expect(clippy::print_stderr, reason = "a test's own voice")]
pub fn a_day_that_lasts(test: Duration) {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let left = DAY.as_secs() - since.unwrap_or_default().as_secs() % DAY.as_secs();
    let left = Duration::from_secs(left);
    if left < test {
        eprintln!("today ends in {left:?}: the test begins after that");
        std::thread::sleep(left + Duration::from_secs(1));
    }
}

/// The seed of a randomised test: `QUESTLINE_SEED`, or a new one. It is printed, so that a failure
/// can be run again.
#[must_use]
#[expect(clippy::print_stderr, reason = "a test's own voice")]
pub fn seed() -> u64 {
    let given = std::env::var("QUESTLINE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |since| since.subsec_nanos().into())
    });
    eprintln!("QUESTLINE_SEED={seed}");
    seed
}

/// Whether what takes longer is wanted too: `scripts/test --long`.
#[must_use]
pub fn long() -> bool {
    std::env::var_os("QUESTLINE_LONG").is_some()
}
