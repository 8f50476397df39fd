#![doc = include_str!("../README.md")]

mod closer;
mod delivered;
mod housekeeping;
mod judge;
pub mod lag;
mod outcome;
mod outputs;
mod ownership;
pub mod platform;
mod processor;
pub mod replay;
pub mod residue;
mod traces;

pub use delivered::Delivered;
pub use processor::Processor;
pub use questline_stores::log::PROCESS_GROUP as GROUP;
