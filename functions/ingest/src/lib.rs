#![doc = include_str!("../README.md")]

mod address;
pub mod admission;
mod body;
pub mod book;
pub mod config;
mod decode;
mod deliver;
mod events;
pub mod keys;
mod receipt;
pub mod routes;
mod validate;

pub use routes::{Ingest, app};
