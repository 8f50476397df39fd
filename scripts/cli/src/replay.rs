//! `questline replay`: a range of the log is judged anew, and its rows are replaced.

use std::path::absolute;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use questline_client::{Operator, Place};
use questline_events::Day;
use serde::Deserialize;
use serde_json::json;

use crate::{arguments::Replay, show};

/// A line of the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    progress: Option<Progress>,
    report: Option<Report>,
    failure: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Progress {
    read: u64,
    of: u64,
}

/// What this command reads of a report.
#[derive(Debug, Deserialize)]
struct Report {
    run: String,
    read: u64,
    accepted: u64,
    duplicate: u64,
    dead_lettered: u64,
    rows_before: u64,
    rows_after: u64,
    days: Vec<Day>,
}

/// Ends when the rows are replaced, or when it is known that they are not.
pub(crate) async fn run(place: &Place, asked: &Replay) -> anyhow::Result<()> {
    let operator = Operator::of(place)?.context("no stack runs there: start scripts/run-local")?;
    let archive = asked.archive.as_ref().map(absolute).transpose()?;
    let request = json!({ "from": asked.from, "to": asked.to, "archive": archive });
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos} of {len} records, {per_sec}, {eta} left",
    )?);
    let mut last = Line::default();
    let answered = operator.replay(&request, |line| {
        last = serde_json::from_value(line).unwrap_or_default();
        if let Some(Progress { read, of }) = last.progress {
            bar.set_length(of);
            bar.set_position(read);
        }
    });
    answered.await?;
    bar.finish_and_clear();
    if let Some(failure) = last.failure {
        anyhow::bail!("{failure}: nothing was changed");
    }
    let report = last.report.context("the stack ended midway: look there, or replay once more")?;
    let Report { run, read, accepted, duplicate, dead_lettered, rows_before, rows_after, .. } =
        &report;
    show::line(&format!(
        "{read} events were read again, as {run}: {accepted} accepted, {duplicate} duplicate, \
         {dead_lettered} dead-lettered."
    ))?;
    let days: Vec<_> = report.days.iter().map(Day::to_string).collect();
    show::line(&format!("{rows_before} rows were replaced by {rows_after}."))?;
    if !days.is_empty() {
        show::line(&format!("To be closed anew: {}.", days.join(", ")))?;
    }
    Ok(())
}
