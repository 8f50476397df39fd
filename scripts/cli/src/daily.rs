//! `questline daily`: days are closed, one after the other, with a verdict for each.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use questline_client::{ClientError, Operator, Place};
use questline_events::Day;
use serde::Deserialize;
use serde_json::json;

use crate::{arguments::Daily, show};

/// Between two calls, while something is waited for.
const PAUSE: Duration = Duration::from_secs(2);

/// What this command reads of a call's reports.
#[derive(Debug, Deserialize)]
struct Reports {
    days: Vec<Report>,
}

#[derive(Debug, Deserialize)]
struct Report {
    standing: String,
    why: Option<String>,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    step: String,
    state: String,
    error: Option<String>,
}

/// `true` if every day is closed, checks and export included.
pub(crate) async fn run(place: &Place, daily: &Daily) -> anyhow::Result<bool> {
    let operator = Operator::of(place)?.context("no stack runs there: start scripts/run-local")?;
    let through = daily.through.unwrap_or(daily.date);
    anyhow::ensure!(daily.date <= through, "{through} lies before {}", daily.date);
    let days: Vec<_> = (daily.date.number()..=through.number()).map(Day::from_number).collect();
    let bar = ProgressBar::new(days.len() as u64).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos} of {len} days, {eta} left, {msg}",
    )?);
    let mut well = true;
    for day in days {
        bar.set_message(day.to_string());
        let patience = Duration::from_secs(60 * daily.patience);
        let said = match close(&operator, day, patience, &bar).await? {
            Report { standing, .. } if standing == "done" => "done".to_owned(),
            Report { standing, why, .. } => {
                well = false;
                format!("{standing}: {}", why.unwrap_or_default())
            }
        };
        bar.suspend(|| show::line(&format!("{day} {said}")))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(well)
}

/// Calls until the day has a verdict.
async fn close(
    operator: &Operator,
    day: Day,
    patience: Duration,
    bar: &ProgressBar,
) -> anyhow::Result<Report> {
    let start = Instant::now();
    // The first call begins a new run; the next ones go on with it.
    let mut resume = false;
    loop {
        let request = json!({ "date": day, "resume": resume });
        let waits = match operator.daily(&request).await {
            Ok(reports) => {
                resume = true;
                let mut reports: Reports = serde_json::from_value(reports)?;
                let report = reports.days.pop().context("an answer without the day")?;
                if report.standing != "unfinished" || start.elapsed() >= patience {
                    return Ok(report);
                }
                let failed = report.steps.iter().find(|step| step.state == "failed");
                let failed = failed.map(|failed| {
                    format!("{}: {}", failed.step, failed.error.as_deref().unwrap_or_default())
                });
                report.why.or(failed)
            }
            // The stack closes another day at this moment, or is still being started.
            Err(ClientError::Refused { status: 409 | 503, detail })
                if start.elapsed() < patience =>
            {
                Some(detail)
            }
            Err(error) => return Err(error.into()),
        };
        bar.set_message(format!("{day}: {}", waits.unwrap_or_default()));
        tokio::time::sleep(PAUSE).await;
    }
}
