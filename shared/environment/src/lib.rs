#![doc = include_str!("../README.md")]

mod log;
mod rules;

pub use log::log;
pub use rules::{Rulebook, registry, unregistered};
