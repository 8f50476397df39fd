#![doc = include_str!("../README.md")]

mod closer;
mod outputs;
mod ownership;
mod processor;

pub use processor::Processor;
pub use questline_stores::log::PROCESS_GROUP as GROUP;
