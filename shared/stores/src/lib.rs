#![doc = include_str!("../README.md")]

#[cfg(feature = "contract")]
pub mod contract;

pub mod daily;
pub mod declared;
pub mod letters;
pub mod log;
pub mod objects;
pub mod record;
pub mod replay;
pub mod saved;
pub mod topic;
pub mod training;
pub mod warehouse;

pub use record::{Headers, NewRecord, Record};
pub use topic::Topic;

/// A cause below a port, whatever it is.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;
