#![doc = include_str!("../README.md")]

pub mod fix;
mod http;
pub mod platform;
pub mod report;
pub mod request;
mod run;

pub use http::{answer, routes};
pub use report::Report;
pub use request::Request;
pub use run::{Failure, Reprocess};
