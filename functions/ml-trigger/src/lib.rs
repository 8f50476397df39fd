#![doc = include_str!("../README.md")]

mod config;
mod decide;
mod manifest;
pub mod platform;
mod spec;
mod trigger;

use std::fmt::Write as _;

pub use config::Places;
pub use decide::{PIPELINE, Terms};
pub use spec::Spec;
pub use trigger::{Failure, Followed, Outcome, Trigger};

/// SHA-256 in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}
