//! A dead letter: the record as it was, and why it is here.

use std::fmt;

use serde_json::{Value, json};

use crate::{Fault, headers::Block, row::Source};

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

/// What a letter is, through all its attempts: the first source position of its record.
#[must_use]
pub const fn identity(first: Source<'_>) -> impl fmt::Display {
    Position(first)
}

struct Position<'a>(Source<'a>);

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { log_id, partition, offset } = self.0;
        write!(f, "{log_id}/{partition}/{offset}")
    }
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

/// The block of headers that [`headers_json`] wrote; `None` if the text is something else.
#[must_use]
pub fn headers_block(json: &str) -> Option<Vec<u8>> {
    let list: Vec<Vec<Value>> = serde_json::from_str(json).ok()?;
    let mut block = Vec::new();
    for header in &list {
        match header.as_slice() {
            [Value::String(name), Value::String(text)] => {
                Block::push(&mut block, name, text.as_bytes());
            }
            [Value::String(name), Value::Null, Value::String(hex)] => {
                Block::push(&mut block, name, &bytes(hex)?);
            }
            _ => return None,
        }
    }
    Some(block)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_whatever_they_hold() {
        let mut block = Vec::new();
        Block::push(&mut block, "app_id", b"local");
        Block::push(&mut block, "odd", b"\xff\x00");
        let json = headers_json(Block(&block));
        assert_eq!(json, r#"[["app_id","local"],["odd",null,"ff00"]]"#);
        assert_eq!(headers_block(&json), Some(block));
        for other in ["", "{}", "[[1]]", r#"[["a",null,"f"]]"#, r#"[["a",null,"é"]]"#] {
            assert_eq!(headers_block(other), None, "{other}");
        }
    }
}
