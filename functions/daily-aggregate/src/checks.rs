//! The quality checks of a day, and what stops its export.

use std::collections::BTreeMap;

use questline_events::limits::RESIDUE_PER_MILLION;
use questline_stores::daily::{CHECKS, CheckResult, Residue, Severity};

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
    // Another release may have run them: what was not looked at has not passed.
    let names = CHECKS.iter().map(|check| check.name);
    let known = |name: &str| results.iter().any(|result| result.check.name == name);
    let missing: Vec<_> = names.filter(|name| !known(name)).collect();
    if !missing.is_empty() {
        let names = missing.join(", ");
        return Some(format!("checks without a result: {names}; run the day again"));
    }
    let Residue { residue, records, .. } = residue;
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
        Residue { residue, records, .. } => residue as f64 / records as f64,
    }
}

#[cfg(test)]
mod tests {
    use questline_stores::daily::{Broken, Check};

    use super::*;

    /// The results of all checks, of which these are broken.
    fn results(broken: &[(&str, u64)]) -> Vec<CheckResult> {
        let rows =
            |name: &str| broken.iter().find(|(known, _)| *known == name).map(|found| found.1);
        let result = |check: &'static Check| {
            let broken = Broken { rows: rows(check.name).unwrap_or_default(), first: vec![] };
            CheckResult { check, broken, checked_at: 0 }
        };
        CHECKS.iter().map(result).collect()
    }

    #[test]
    fn a_failed_check_or_a_residue_stops_and_a_warning_does_not() {
        let none = Residue::default();
        let warns = ("events_1min_closed/event_type_drop", 3);
        let passed = results(&[warns]);
        assert_eq!(stops(&passed, none), None);
        let why = stops(&results(&[warns, ("day_rows/data_present", 1)]), none).unwrap();
        assert!(why.contains("day_rows/data_present") && !why.contains("drop"), "{why}");
        for (residue, records, stop) in
            [(0, 0, false), (1, 0, true), (1, 10_000, false), (1, 9_999, true), (2, 10_000, true)]
        {
            let residue = Residue { residue, records, frozen: true };
            assert_eq!(stops(&passed, residue).is_some(), stop, "{residue:?}");
        }
        let told = told(&passed);
        assert_eq!(told["level_metrics/pass_rate"], "passed");
        assert_eq!(told["events_1min_closed/event_type_drop"], "warns of 3 rows");
    }

    #[test]
    fn a_check_without_a_result_stops() {
        for missing in 0..CHECKS.len() {
            let mut results = results(&[]);
            let name = results.remove(missing).check.name;
            let why = stops(&results, Residue::default()).unwrap();
            assert_eq!(why, format!("checks without a result: {name}; run the day again"));
        }
        assert!(stops(&[], Residue::default()).is_some());
    }
}
