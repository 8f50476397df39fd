#![doc = include_str!("../README.md")]

mod aws;
mod callers;
mod log;
#[cfg(feature = "outputs")]
mod outputs;
mod rules;
mod secrets;
#[cfg(feature = "warehouse")]
mod warehouse;

pub use callers::guarded;
pub use log::{log, log_and_past};
#[cfg(feature = "outputs")]
pub use outputs::{features, ready};
pub use rules::{Rulebook, limits, registry, unregistered};
pub use secrets::variables;
#[cfg(feature = "warehouse")]
pub use warehouse::{Opened, warehouse, warehouse_to_write};
