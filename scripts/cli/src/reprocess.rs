//! `questline reprocess`: dead letters come back.

use std::collections::BTreeMap;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use questline_client::{Answer, Operator, Place};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    arguments::{Format, Reprocess},
    show,
};

/// Seconds that one call may take: the bar moves between two calls.
const CALL: u64 = 2;

/// What this command reads of a call's report.
#[derive(Debug, Default, Deserialize)]
struct Report {
    run: String,
    waiting: u64,
    looked_at: u64,
    brought_back: u64,
    would_pass: u64,
    still_fail: Vec<Still>,
    unfixable: Vec<Still>,
    parked: u64,
    not_stored: u64,
    resume: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Still {
    why: String,
    detail: String,
    letters: u64,
    sample: String,
}

/// `true` if every letter that was to come back did.
pub(crate) async fn run(place: &Place, reprocess: &Reprocess) -> anyhow::Result<bool> {
    let operator = Operator::of(place)?.context("no stack runs there: start scripts/run-local")?;
    let mut request = request(reprocess);
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos} of {len} letters, {per_sec}, {eta} left",
    )?);
    let mut totals = Report::default();
    let mut faults = BTreeMap::<(&str, String, String), (u64, String)>::new();
    loop {
        let report: Report = serde_json::from_value(operator.reprocess(&request).await?)?;
        if bar.length() == Some(0) {
            bar.set_length(report.waiting);
        }
        bar.inc(report.looked_at);
        totals.run = report.run;
        totals.brought_back += report.brought_back;
        totals.would_pass += report.would_pass;
        totals.parked += report.parked;
        totals.not_stored += report.not_stored;
        let fails = report.still_fail.into_iter().map(|still| ("fails", still));
        for (what, still) in fails.chain(report.unfixable.into_iter().map(|s| ("unfixable", s))) {
            let fault = faults.entry((what, still.why, still.detail)).or_default();
            *fault = (fault.0 + still.letters, still.sample);
        }
        match report.resume {
            Some(resume) if totals.not_stored == 0 => request.insert("resume".to_owned(), resume),
            _ => break,
        };
    }
    bar.finish_and_clear();
    if reprocess.dry_run {
        show::line(&format!("{} letters would pass now.", totals.would_pass))?;
    } else {
        let back = totals.brought_back;
        show::line(&format!("{back} letters were brought back, as {}.", totals.run))?;
    }
    if totals.parked > 0 {
        show::line(&format!("{} were brought back too often: parked.", totals.parked))?;
    }
    if totals.not_stored > 0 {
        let not = totals.not_stored;
        show::line(&format!("{not} were not acknowledged by the log: start the command again."))?;
    }
    if !faults.is_empty() {
        let columns = ["letters", "", "why", "detail", "one of them"].map(str::to_owned).into();
        let rows = faults.into_iter().map(|((what, why, detail), (letters, sample))| {
            vec![json!(letters), json!(what), json!(why), json!(detail), json!(sample)]
        });
        let rows = rows.collect();
        show::answer(&Answer { columns, rows }, Format::Table)?;
    }
    Ok(totals.not_stored == 0)
}

fn request(asked: &Reprocess) -> Map<String, Value> {
    let value = |text: &String| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    let set: Map<_, _> = asked.set.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    let texts = |pairs: &[(String, String)]| -> Map<String, Value> {
        pairs.iter().map(|(from, to)| (from.clone(), json!(to))).collect()
    };
    let members = [
        ("reason", json!(asked.reason)),
        ("app", json!(asked.app)),
        ("from", json!(asked.from)),
        ("to", json!(asked.to)),
        ("version", json!(asked.version)),
        ("held", json!(asked.held)),
        ("dry_run", json!(asked.dry_run)),
        ("set", Value::Object(set)),
        ("rename", Value::Object(texts(&asked.rename))),
        ("cast", Value::Object(texts(&asked.cast))),
        ("rate", json!(asked.rate)),
        ("seconds", json!(CALL)),
    ];
    members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}
