//! A dead letter: the record as it was, and why it is here.

use serde_json::json;

use crate::{Fault, headers::Block};

/// Why a record is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Which record of the batch.
    pub index: usize,
    /// Why it is not accepted.
    pub fault: Fault,
    /// The app's brake was pulled.
    pub held: bool,
}

/// Headers as JSON: `[["name","text"],...]`; what is no UTF-8 becomes `["name",null,"hex"]`.
#[must_use]
pub fn headers_json(headers: Block<'_>) -> String {
    let list: Vec<_> = headers
        .iter()
        .map(|(name, value)| match std::str::from_utf8(value) {
            Ok(text) => json!([name, text]),
            Err(_) => json!([name, null, hex(value)]),
        })
        .collect();
    serde_json::Value::Array(list).to_string()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_whatever_they_hold() {
        let mut block = Vec::new();
        Block::push(&mut block, "app_id", b"local");
        Block::push(&mut block, "odd", b"\xff\x00");
        assert_eq!(headers_json(Block(&block)), r#"[["app_id","local"],["odd",null,"ff00"]]"#);
    }
}
