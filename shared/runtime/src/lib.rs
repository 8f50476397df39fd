#![doc = include_str!("../README.md")]

pub mod clock;
mod cloudwatch;
pub mod config;
pub mod identity;
pub mod metrics;
pub mod problem;
pub mod release;
pub mod serve;
pub mod telemetry;

/// The allocator of every binary: a batch is built and dropped in large buffers, which the
/// system's one returns to the kernel and fetches again (a quarter of processing's time).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use tokio_util::{sync::CancellationToken, task::TaskTracker};
