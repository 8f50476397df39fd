//! What a platform asks for: a call of a schedule, an invocation of Lambda, or a job.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use questline_events::{Day, limits::DAILY_CALL};
use serde::{Deserialize, Serialize};

use crate::{DailyRun, Failure, Report, due::Reach, report::Standing};

/// What is asked of one call. Without a date: what is due. A schedule's event has other members too.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Request {
    /// The day, or the first one. A run of it that has ended is made anew.
    pub date: Option<Day>,
    /// The last day.
    pub through: Option<Day>,
    /// A run that has ended stands: the call goes on with one that has not.
    pub resume: bool,
}

/// What became of the days.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reports {
    /// One for each day that was looked at.
    pub days: Vec<Report>,
}

impl Request {
    /// Does it. Of several days each has its verdict, also one about which nothing was done.
    ///
    /// # Errors
    /// If nothing was done.
    pub async fn call(self, daily: &DailyRun, patience: Duration) -> Result<Reports, Failure> {
        let Some(date) = self.date else {
            return Ok(Reports { days: daily.call_due(Reach::Night, patience).await? });
        };
        let through = self.through.unwrap_or(date);
        if through < date {
            return Err(Failure::Unusable(format!("{through} lies before {date}")));
        }
        let mut reports = Reports::default();
        let days = (date.number()..=through.number()).map(Day::from_number);
        for day in days {
            match daily.call(day, !self.resume, patience).await {
                Err(why) if date < through => {
                    reports.days.push(Report::refused(day, &why));
                    // That is away for the days that follow, too.
                    if matches!(why, Failure::Warehouse(_)) {
                        break;
                    }
                }
                called => reports.days.push(called?),
            }
        }
        Ok(reports)
    }
}

/// The least that an invocation is given: an emulator may name a deadline that has passed.
const SHORTEST: Duration = Duration::from_secs(5);

/// One invocation; it begins nothing in the last tenth of its time.
///
/// # Errors
/// If the request is at fault, or nothing was done.
pub async fn invoked(
    daily: Arc<DailyRun>,
    event: serde_json::Value,
    left: Duration,
) -> anyhow::Result<Reports> {
    let request: Request = serde_json::from_value(event).context("the request")?;
    Ok(request.call(&daily, (left * 9 / 10).max(SHORTEST)).await?)
}

/// One job; the reports are its last log line.
///
/// # Errors
/// If nothing was done, or a day did not end well.
pub async fn job(daily: &DailyRun, request: Request) -> anyhow::Result<()> {
    let reports = request.call(daily, DAILY_CALL).await?;
    tracing::info!(reports = serde_json::to_string(&reports)?, "daily.job");
    for Report { day, standing, why, .. } in reports.days {
        let why = why.unwrap_or_else(|| "a step is to be tried again".to_owned());
        anyhow::ensure!(standing == Standing::Done, "{day}: {why}");
    }
    Ok(())
}
