#![doc = include_str!("../README.md")]

mod log;
mod rules;
#[cfg(feature = "warehouse")]
mod warehouse;

pub use log::log;
pub use rules::{Rulebook, registry, unregistered};
#[cfg(feature = "warehouse")]
pub use warehouse::{Opened, warehouse};
