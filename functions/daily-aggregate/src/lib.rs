#![doc = include_str!("../README.md")]

mod checks;
mod due;
mod features;
pub mod graph;
mod http;
pub mod platform;
pub mod report;
mod run;
mod steps;

pub use due::Reach;
pub use http::{answer, routes};
pub use report::Report;
pub use run::{DailyRun, Failure};
pub use steps::Ports;
