//! Names of inputs: the head of a SHA-256.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The first 12 hexadecimal digits of the SHA-256 of `bytes`: enough to tell two files apart.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(6).fold(String::with_capacity(12), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}
