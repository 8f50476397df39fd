//! What the parser does not check by itself: nesting, surrogates, and the grammar's last word.
//!
//! The parsing itself is `jiter`'s, a pull parser that hands out positions, so that one pass gives
//! both members and raw text. Where it gives up, `serde_json` decides whether the text is JSON.

use serde::de::IgnoredAny;

/// `true` if nesting in `json` (valid JSON) is deeper than `limit`.
///
/// Brackets are counted first, wherever they stand: text with no more brackets than the limit
/// cannot be too deep, and that settles nearly every event.
pub(crate) fn deeper_than(json: &[u8], limit: usize) -> bool {
    let opening = memchr::memchr2_iter(b'{', b'[', json).take(limit.saturating_add(1)).count();
    opening > limit && depth(json) > limit
}

fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// `true` if `bytes` are one JSON document. Unpaired surrogates pass: they are grammar, not text.
pub(crate) fn is_document(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok() && std::str::from_utf8(bytes).is_ok()
}

/// White space of JSON, cut on both sides.
#[must_use]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\n' | b'\r'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The text of a JSON string given without its quotes. `None` if an escape is no text.
pub(crate) fn unescape(inner: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{inner}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_text_only() {
        assert_eq!(depth(br#"{"a":[{"b":"[[[\"{{"}]}"#), 3);
        assert!(!deeper_than(&br#""[[[[""#.repeat(3), 2));
        assert!(deeper_than(b"[[[]]]", 2));
        assert!(!deeper_than(b"[[],[],[]]", 2));
    }

    #[test]
    fn an_unpaired_surrogate_is_grammar_but_not_text() {
        assert!(is_document(br#""\ud800""#));
        assert_eq!(unescape(r"\ud800"), None);
        assert_eq!(unescape(r"\ud83d\ude00"), Some("😀".to_owned()));
    }
}
