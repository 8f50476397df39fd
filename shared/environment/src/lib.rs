#![doc = include_str!("../README.md")]

mod callers;
mod log;
mod rules;
mod secrets;
#[cfg(feature = "warehouse")]
mod warehouse;

pub use callers::guarded;
pub use log::log;
pub use rules::{Rulebook, registry, unregistered};
pub use secrets::variables;
#[cfg(feature = "warehouse")]
pub use warehouse::{Opened, warehouse, warehouse_to_write};
