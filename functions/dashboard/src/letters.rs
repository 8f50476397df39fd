//! Dead letters with their bytes, and what would become of them if they came again now.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use questline_events::{
    Rules,
    event::Recent,
    headers::{Block, Envelope},
    letter::headers_block,
    limits::REPROCESS_ATTEMPTS,
    time,
};
use questline_stores::warehouse::Answer;
use serde_json::{Value, json};

/// Adds to every letter what today's rules say of it: NULL if it would pass, or why it would not.
/// The headers that they were judged by stay here: they tell a player's address.
pub(crate) fn judged(answer: &Answer, rules: &Rules) -> Answer {
    let at = |name: &str| answer.columns.iter().position(|column| column == name);
    let mut recent = Recent::default();
    let letters: Vec<_> = answer
        .rows
        .iter()
        .map(|row| {
            let text = |name| at(name).and_then(|at| row[at].as_str()).unwrap_or_default();
            let attempts = at("attempts").and_then(|at| row[at].as_i64()).unwrap_or_default();
            let raw = BASE64_STANDARD.decode(text("raw_base64")).unwrap_or_default();
            let headers = headers_block(text("headers")).unwrap_or_default();
            let received_at = time::parse(text("received_at")).unwrap_or_default();
            (attempts, raw, headers, received_at)
        })
        .collect();
    let said = |(attempts, raw, headers, received_at): &(i64, Vec<u8>, Vec<u8>, i64)| {
        if *attempts >= REPROCESS_ATTEMPTS {
            return json!(format!("parked: it was brought back {attempts} times"));
        }
        let envelope = Envelope::read(Block(headers), received_at / 1_000);
        match rules.judge(raw, &envelope, &mut recent) {
            Ok(_) => Value::Null,
            Err(fault) if fault.detail.is_empty() => json!(fault.reason.as_str()),
            Err(fault) => json!(format!("{}: {}", fault.reason.as_str(), fault.detail)),
        }
    };
    let verdicts: Vec<Value> = letters.iter().map(said).collect();
    let mut judged = answer.clone();
    judged.columns.push("would_fail".to_owned());
    for (row, verdict) in judged.rows.iter_mut().zip(verdicts) {
        row.push(verdict);
    }
    if let Some(headers) = at("headers") {
        judged.columns.remove(headers);
        judged.rows.iter_mut().for_each(|row| _ = row.remove(headers));
    }
    judged
}
