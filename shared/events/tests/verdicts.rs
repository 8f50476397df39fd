//! Events as files: the file's name is the verdict, and the public cases of the contract.
#![expect(clippy::unwrap_used, reason = "test helpers")]
#![expect(clippy::disallowed_methods, reason = "the fixtures are files")]

mod support;

use std::{fs, path::Path};

use questline_events::enriched;
use serde_json::Value;
use support::{RECEIVED_AT, Verdict, envelope, rules, verdict};

/// `NAME.accepted.json`, `NAME.rejected.REASON.json`, `NAME.dead_lettered.REASON[.DETAIL].json`
#[test]
fn every_fixture_gets_the_verdict_of_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let rules = rules();
    let mut checked = 0;
    for file in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let (_, expected) = name.strip_suffix(".json").unwrap().split_once('.').unwrap();
        let bytes = fs::read(file.path()).unwrap();
        let found = match verdict(&rules, &bytes, &envelope(RECEIVED_AT, None)) {
            Verdict::Accepted(_) => "accepted".to_owned(),
            Verdict::Rejected(reason) => format!("rejected.{reason}"),
            Verdict::DeadLettered(reason, detail) if detail.is_empty() => {
                format!("dead_lettered.{reason}")
            }
            Verdict::DeadLettered(reason, detail) => format!("dead_lettered.{reason}.{detail}"),
        };
        assert_eq!(found, expected, "{name}");
        checked += 1;
    }
    assert!(checked >= 40, "only {checked} fixtures were found");
}

/// Lines of `{"name", "received_at", "sent_at"?, "line", "verdict", "reason"?, "detail"?,
/// "columns"?}`, from the file that `QUESTLINE_VERDICTS` names.
#[test]
fn every_public_case_of_the_contract_holds() {
    let Ok(path) = std::env::var("QUESTLINE_VERDICTS") else {
        return questline_testing::skip("public-verdicts", "QUESTLINE_VERDICTS is not set");
    };
    let rules = rules();
    let cases = fs::read_to_string(path).unwrap();
    for case in cases.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let text = |member: &str| case[member].as_str();
        let name = text("name").unwrap();
        let envelope = envelope(text("received_at").unwrap(), text("sent_at"));
        let line = text("line").unwrap().trim_ascii().as_bytes();
        match verdict(&rules, line, &envelope) {
            Verdict::Accepted(event) => {
                assert_eq!(text("verdict"), Some("accepted"), "{name}");
                let mut json = Vec::new();
                enriched::write(&event, &mut json);
                let json: Value = serde_json::from_slice(&json).unwrap();
                for (column, expected) in case["columns"].as_object().into_iter().flatten() {
                    let found = json.get(column).unwrap_or(&Value::Null);
                    assert!(same(found, expected), "{name}: {column} is {found}, not {expected}");
                }
            }
            Verdict::Rejected(reason) => {
                assert_eq!(text("verdict"), Some("rejected"), "{name}: {reason}");
                assert_eq!(text("reason"), Some(reason.as_str()), "{name}");
            }
            Verdict::DeadLettered(reason, detail) => {
                assert_eq!(text("verdict"), Some("dead_lettered"), "{name}: {reason} {detail}");
                assert_eq!(text("reason"), Some(reason.as_str()), "{name}");
                assert!(text("detail").is_none_or(|known| known == detail), "{name}: {detail}");
            }
        }
    }
}

/// Moments, numbers and money may be written in more than one way.
fn same(found: &Value, expected: &Value) -> bool {
    use questline_events::time::parse;
    let moments = || Some((parse(found.as_str()?)?, parse(expected.as_str()?)?));
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let numbers = || Some((number(found)?.to_bits(), number(expected)?.to_bits()));
    found == expected
        || moments().is_some_and(|(a, b)| a == b)
        || (found.is_number() && numbers().is_some_and(|(a, b)| a == b))
}
