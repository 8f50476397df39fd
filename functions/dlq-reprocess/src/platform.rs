//! What a platform asks for: an invocation of Lambda, or a job.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;

use crate::{Report, Reprocess, Request};

/// One invocation; it ends 10 s before the platform would end it.
///
/// # Errors
/// If the request is at fault, or nothing was done.
pub async fn invoked(
    reprocess: Arc<Reprocess>,
    event: serde_json::Value,
    left: Duration,
) -> anyhow::Result<Report> {
    let mut request: Request = serde_json::from_value(event).context("the request")?;
    let left = left.saturating_sub(Duration::from_secs(10)).as_secs();
    request.seconds = Some(request.seconds.map_or(left, |seconds| seconds.min(left)));
    Ok(reprocess.call(&request).await?)
}

/// Calls until nothing is left; the report is the job's last log line.
///
/// # Errors
/// If a call did nothing, or not every letter was stored.
pub async fn job(reprocess: &Reprocess, mut request: Request) -> anyhow::Result<()> {
    let mut report = reprocess.call(&request).await?;
    while report.resume.is_some() && report.not_stored == 0 {
        request.resume = report.resume.take();
        report.add(reprocess.call(&request).await?);
    }
    tracing::info!(report = serde_json::to_string(&report)?, "reprocess.job");
    anyhow::ensure!(report.not_stored == 0, "the log did not acknowledge every letter");
    Ok(())
}
