#![doc = include_str!("../README.md")]

mod address;
pub mod admission;
mod body;
pub mod book;
pub mod config;
mod decode;
mod deliver;
mod events;
mod instance;
pub mod keys;
mod receipt;
mod routes;
mod validate;

pub use instance::Ingest;
pub use routes::app;
