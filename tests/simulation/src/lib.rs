#![doc = include_str!("../README.md")]

pub mod chance;
pub mod check;
mod group;
pub mod life;
pub mod log;
mod nodes;
pub mod plant;
mod players;
mod story;
mod sweep;
mod switch;
pub mod tables;
pub mod warehouse;
pub mod world;

pub use story::{Outcome, run};
pub use sweep::sweep;
