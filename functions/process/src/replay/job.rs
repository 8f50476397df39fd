//! A replay as the job of a platform.

use anyhow::Context as _;

use super::{Replay, Request};

/// Carries out a request, written as JSON, unless it is asked to end before; the report is the job's
/// last log line.
///
/// # Errors
/// If the request is at fault, nothing was replaced, or it was asked to end.
pub async fn job(
    replay: &Replay,
    request: &str,
    asked: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let request: Request = serde_json::from_str(request).context("QUESTLINE_REPLAY")?;
    let work = async {
        let plan = replay.plan(&request).await?;
        plan.carry_out(|progress| {
            tracing::debug!(read = progress.read, of = progress.of, "replay.progress");
        })
        .await
    };
    tokio::select! {
        replayed = work => {
            replayed?;
            Ok(())
        }
        // A transaction that has begun may still be carried out.
        () = asked => anyhow::bail!("asked to end: all rows of the range were replaced, or none"),
    }
}
