#![doc = include_str!("../README.md")]

pub mod batch;
pub mod brake;
mod column;
pub mod day;
pub mod device;
pub mod enriched;
pub mod event;
pub mod geo;
pub mod headers;
mod json;
pub mod ledger;
pub mod letter;
pub mod limits;
pub mod metrics;
pub mod minutes;
pub mod parse;
mod reason;
pub mod record;
pub mod registry;
pub mod row;
pub mod schema;
pub mod split;
pub mod time;
pub mod version;
pub mod window;

pub use day::Day;
pub use event::{Event, Rules};
pub use reason::{Fault, Reason, UnknownReason};
