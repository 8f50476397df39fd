//! The quality checks of a day, and what stops its export.

use std::collections::BTreeMap;

use questline_events::limits::RESIDUE_PER_MILLION;
use questline_stores::daily::{CheckResult, Residue, Severity};

/// Every check: passed, or how many rows break it.
pub(crate) fn told(results: &[CheckResult]) -> BTreeMap<String, String> {
    let tell = |result: &CheckResult| {
        let said = match (result.broken.rows, result.check.severity()) {
            (0, _) => "passed".to_owned(),
            (rows, Severity::Warn) => format!("warns of {rows} rows"),
            (rows, Severity::Fail) => format!("{rows} rows break it"),
        };
        (result.check.name.to_owned(), said)
    };
    results.iter().map(tell).collect()
}

/// Why nothing of the day may be exported or trained on. `None` if nothing stands against it.
pub(crate) fn stops(results: &[CheckResult], residue: Residue) -> Option<String> {
    let failed = results
        .iter()
        .filter(|result| result.broken.rows > 0 && result.check.severity() == Severity::Fail);
    let failed: Vec<_> = failed.map(|result| result.check.name).collect();
    if !failed.is_empty() {
        let names = failed.join(", ");
        return Some(format!(
            "failed checks: {names}; quality_results has the rows that break them"
        ));
    }
    let Residue { residue, records } = residue;
    // A day without records may miss none.
    (residue.saturating_mul(1_000_000) > RESIDUE_PER_MILLION.saturating_mul(records)).then(|| {
        format!(
            "the ledger of the day misses {residue} of {records} records: `questline ledger` names \
             their hop and minute"
        )
    })
}

/// What is missing, as a share.
pub(crate) fn share(residue: Residue) -> f64 {
    match residue {
        Residue { residue: 0, .. } => 0.0,
        Residue { records: 0, .. } => 1.0,
        Residue { residue, records } => residue as f64 / records as f64,
    }
}

#[cfg(test)]
mod tests {
    use questline_stores::daily::{Broken, CHECKS};

    use super::*;

    fn result(name: &str, rows: u64) -> CheckResult {
        let check = CHECKS.iter().find(|check| check.name == name).unwrap();
        CheckResult { check, broken: Broken { rows, first: vec![] }, checked_at: 0 }
    }

    #[test]
    fn a_failed_check_or_a_residue_stops_and_a_warning_does_not() {
        let none = Residue::default();
        let passed = result("level_metrics/pass_rate", 0);
        let warns = result("events_1min_closed/event_type_drop", 3);
        let failed = result("day_rows/data_present", 1);
        assert_eq!(stops(&[passed.clone(), warns.clone()], none), None);
        let why = stops(&[passed.clone(), warns.clone(), failed], none).unwrap();
        assert!(why.contains("day_rows/data_present") && !why.contains("drop"), "{why}");
        for (residue, records, stop) in
            [(0, 0, false), (1, 0, true), (1, 10_000, false), (1, 9_999, true), (2, 10_000, true)]
        {
            let residue = Residue { residue, records };
            assert_eq!(
                stops(std::slice::from_ref(&passed), residue).is_some(),
                stop,
                "{residue:?}"
            );
        }
        let told = told(&[passed, warns]);
        assert_eq!(told["level_metrics/pass_rate"], "passed");
        assert_eq!(told["events_1min_closed/event_type_drop"], "warns of 3 rows");
    }
}
