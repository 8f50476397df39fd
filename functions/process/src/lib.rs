#![doc = include_str!("../README.md")]

mod closer;
pub mod config;
mod outputs;
mod ownership;
mod processor;

pub use processor::{GROUP, Processor};
