//! What holds for every input: generated, mutated and truncated.
#![expect(clippy::unwrap_used, reason = "test helpers")]

mod support;

use proptest::{collection::vec, prelude::*, sample::select};
use questline_events::{
    Reason,
    batch::{Batch, Context, Judgement, Outcome},
    brake::Brake,
    enriched,
    headers::{Block, Envelope},
    parse::parse,
    record::Record,
    registry::SHIPPED,
    row::Postmark,
    schema::Schema,
    split::inspect,
    window::{Identities, Window},
};
use serde::de::IgnoredAny;
use support::{RECEIVED_AT, Verdict, envelope, rules, verdict};

/// Values as they come: good, odd, and not JSON.
const VALUES: &[&str] = &[
    "\"a1\"",
    "\"u1\"",
    "\"\"",
    "null",
    "true",
    "false",
    "7",
    "-7",
    "7.0",
    "7.5",
    "1e3",
    "1e999",
    "-0",
    "01",
    "1001",
    "1002",
    "2001",
    "3002",
    "7777",
    "1001.0",
    "\"1001\"",
    "{}",
    "[]",
    "[[[]]]",
    "\"2026-11-23T11:59:00Z\"",
    "\"2026-11-23T11:59:00.5\"",
    "\"2025-01-01T00:00:00Z\"",
    "\"2027-01-01T00:00:00Z\"",
    "\"yesterday\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"日本語\"",
    "\"\\\"\\\\\\/\\b\"",
    "\"\\x\"",
    "{\"level_id\":\"7\"}",
    "{\"level_id\":7}",
    "{\"level_id\":18446744073709551615}",
    "{\"level_id\":1e38}",
    "{\"level_id\":1e39}",
    "{\"level_id\":\"7\",\"moves_used\":12,\"time_seconds\":1.5,\"boosters_used\":[\"x\"]}",
    "{\"price_usd\":4.99,\"transaction_id\":\"t1\"}",
    "{\"price_usd\":-1}",
    "{\"duration_sec\":9}",
    "{\"level_id\":\"7\",\"deep\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    "{\"a\":1,\"a\":2}",
    "[1,]",
    "{\"a\"}",
    "nul",
    "\"unfinished",
];

const NAMES: &[&str] = &[
    "id",
    "user_id",
    "timestamp",
    "type",
    "parameters",
    "session_id",
    "platform",
    "app_version",
    "device_model",
    "is_paying_user",
    "days_since_install",
    "installed_at",
    "ip_address",
    "x",
    "\\u0069d",
    "level_id",
];

/// An object of needed members, most of them good, and of others.
fn event() -> impl Strategy<Value = Vec<u8>> {
    let needed = (
        prop_oneof![4 => Just("\"a1\""), 1 => select(VALUES)],
        prop_oneof![4 => Just("\"u1\""), 1 => select(VALUES)],
        prop_oneof![4 => Just("\"2026-11-23T11:59:00Z\""), 1 => select(VALUES)],
        prop_oneof![2 => Just("1001"), 1 => Just("2001"), 1 => Just("7777"), 1 => select(VALUES)],
        prop_oneof![2 => Just("{\"level_id\":\"7\"}"), 2 => select(VALUES)],
    );
    (needed, vec((select(NAMES), select(VALUES)), 0..3)).prop_map(|(needed, more)| {
        let (id, user, time, kind, parameters) = needed;
        let mut members: Vec<_> =
            NAMES.iter().copied().zip([id, user, time, kind, parameters]).chain(more).collect();
        let shift = members.len() / 2;
        members.rotate_left(shift);
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    })
}

/// An event, mutated and truncated.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (event(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(
        |(mut event, at, byte, cut)| {
            let at = at.index(event.len());
            if cut {
                event.truncate(at)
            } else {
                event[at] = byte
            }
            event
        },
    );
    prop_oneof![3 => event(), 2 => damaged, 1 => vec(any::<u8>(), 0..64)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if questline_testing::long() { 200_000 } else { 4_000 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// read = accepted + duplicate + dead-lettered, each record exactly one outcome.
    #[test]
    fn one_outcome_per_record(values in vec(bytes(), 0..24), apps in vec(any::<bool>(), 24)) {
        let (rules, identities) = (rules(), Identities::of_log("log"));
        let postmark = Postmark { failed_at: 0, function_version: "test" };
        let context = Context { rules: &rules, identities: &identities, log_id: "log", postmark, counted: true };
        let (mut window, mut brake) = (Window::default(), Brake::default());
        let mut batch = Batch::new(context, values.len());
        let mut outcomes = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let mut envelope = envelope(RECEIVED_AT, None);
            envelope.app_id = envelope.app_id.filter(|_| apps[index]);
            let offset = i64::try_from(index).unwrap();
            let record = Record {
                partition: 0, offset, log_time_ms: 0, key: None, value: Some(value),
                headers: Block::default(), envelope,
            };
            outcomes.push(batch.take(index, &record, Judgement::Rules, &mut window, &mut brake));
        }
        let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|o| wanted(o)).count();
        let accepted = count(|outcome| *outcome == Outcome::Accepted);
        let duplicate = count(|outcome| *outcome == Outcome::Duplicate);
        let dead = count(|outcome| matches!(outcome, Outcome::DeadLettered(_)));
        prop_assert_eq!(accepted + duplicate + dead, values.len());
        let totals = batch.totals.clone();
        let sums = [totals.read, totals.accepted, totals.duplicate, totals.dead()];
        prop_assert_eq!(sums.map(|n| usize::try_from(n).unwrap()), [values.len(), accepted, duplicate, dead]);
        prop_assert_eq!(batch.rows.finish().unwrap().num_rows(), accepted);
        prop_assert_eq!(batch.enriched.len(), accepted);
        prop_assert_eq!(batch.letter_rows.finish().unwrap().num_rows(), dead);
        prop_assert_eq!(batch.letters.len(), dead);
        let minutes: i64 = batch.minutes.into_parts().iter().map(|(_, events)| events).sum();
        prop_assert_eq!(usize::try_from(minutes).unwrap(), accepted);
        for row in batch.tallies.into_rows() {
            let counts = row.counts;
            prop_assert_eq!(counts.read, counts.accepted + counts.duplicate + counts.dead_lettered);
        }
    }

    /// The pull parser and `serde_json` agree on what is JSON, and the door on what can be kept.
    #[test]
    fn the_grammar_is_json(bytes in bytes()) {
        let rules = rules();
        let is_json = std::str::from_utf8(&bytes).is_ok()
            && serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
        let refusal = inspect(&bytes, &rules.limits).err();
        prop_assert_eq!(refusal == Some(Reason::MalformedJson), !is_json, "{:?} {}", refusal, String::from_utf8_lossy(&bytes));
        if parse(&bytes, usize::MAX).is_ok() {
            prop_assert!(is_json);
        }
    }

    /// What is accepted can be read back: the enriched event is JSON with the same identity.
    #[test]
    fn an_enriched_event_is_json(bytes in event()) {
        let rules = rules();
        if let Verdict::Accepted(event) = verdict(&rules, &bytes, &envelope(RECEIVED_AT, None)) {
            let mut json = Vec::new();
            enriched::write(&event, &mut json);
            // Numbers no double holds stay as they were sent; this reader cannot hold them.
            if json.windows(5).any(|part| part == b"1e999") { return Ok(()) }
            let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(json["event_id"].as_str(), Some(&*event.event_id));
            prop_assert_eq!(json["event_type"].as_i64(), Some(event.event_type));
            prop_assert_eq!(json["level_id"].as_str(), event.metrics.level_id.as_deref());
            // No metric meets a NULL level.
            let has_level = event.metrics.level_id.is_some();
            prop_assert!(has_level || !(1001..=1003).contains(&event.event_type));
            prop_assert_eq!(json["moves_used"].as_i64(), event.metrics.moves_used);
        }
    }

    /// The keywords that run in the parsing pass give the verdicts of the `jsonschema` crate.
    #[test]
    fn both_ways_of_a_schema_agree(
        members in vec((select(METRICS), select(PARAMETERS)), 0..5),
        kind in 0_usize..5,
    ) {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let json = format!("{{\"parameters\":{{{}}}}}", members.join(","));
        let registry: Vec<serde_json::Value> = serde_json::from_str(SHIPPED).unwrap();
        let schema = &registry[kind]["parameters"];
        let in_pass = Schema::compile(schema).unwrap();
        prop_assert!(matches!(in_pass, Schema::InPass(_)));
        let full = Schema::compile_full(schema).unwrap();
        let parsed = parse(json.as_bytes(), 32).unwrap();
        let (in_pass, full) = (in_pass.check(&parsed), full.check(&parsed));
        prop_assert_eq!(in_pass.is_ok(), full.is_ok(), "{} {:?} {:?}", json, in_pass, full);
    }
}

const METRICS: &[&str] = &[
    "level_id",
    "moves_used",
    "time_seconds",
    "boosters_used",
    "duration_sec",
    "price_usd",
    "transaction_id",
    "score",
    "level\\u005fid",
];

const PARAMETERS: &[&str] = &[
    "null",
    "\"\"",
    "\"7\"",
    "7",
    "-1",
    "0",
    "-0",
    "0.0",
    "12.0",
    "12.5",
    "1e2",
    "1e-2",
    "1e38",
    "1e39",
    "1e400",
    "-1e400",
    "1000000",
    "1000001",
    "86400",
    "86400.0001",
    "10000",
    "10000.01",
    "604800",
    "true",
    "[]",
    "[\"a\"]",
    "[\"a\",\"\\u00e9\"]",
    "[1]",
    "[null]",
    "[[\"a\"]]",
    "{}",
    "{\"a\":[1]}",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "99999999999999999999",
    "-99999999999999999999",
];

/// A record without any header is told by its missing app, not by a crash.
#[test]
fn a_record_without_headers_is_missing_app() {
    let rules = rules();
    let envelope = Envelope::read(Block::default(), 1_795_435_200_000);
    let bytes = br#"{"id":"a","user_id":"u","timestamp":"2026-11-23T11:59:00Z","type":5}"#;
    let found = verdict(&rules, bytes, &envelope);
    assert_eq!(found, Verdict::DeadLettered(Reason::MissingApp, String::new()));
}
