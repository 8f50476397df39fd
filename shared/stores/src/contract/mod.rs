//! The contract suites: what every adapter of a port must do, run by each adapter's tests.
#![expect(clippy::unwrap_used, reason = "a suite of tests")]

pub mod letters;
pub mod log;
pub mod runs;
pub mod training;
pub mod warehouse;
