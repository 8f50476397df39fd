#![doc = include_str!("../README.md")]

mod closer;
mod outputs;
mod ownership;
mod processor;

pub use processor::{GROUP, Processor};
