#![doc = include_str!("../README.md")]

pub mod clock;
pub mod config;
pub mod metrics;
pub mod problem;
pub mod serve;
pub mod telemetry;

pub use tokio_util::{sync::CancellationToken, task::TaskTracker};
