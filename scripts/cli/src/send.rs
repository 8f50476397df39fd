//! `questline send`: every line gets an answer; what is deferred is sent again, with the same ids.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use questline_client::{Ingest, Place, Receipt, Reply};
use tokio::sync::Semaphore;

use crate::{arguments::Send, lines, show};

/// Requests under way at a time.
const REQUESTS: usize = 4;
/// Between two attempts where nobody said how long to wait.
const PAUSE: Duration = Duration::from_millis(500);

/// What became of lines.
#[derive(Debug, Default)]
struct Totals {
    received: usize,
    stored: usize,
    deferred: usize,
    rejected: BTreeMap<String, usize>,
    /// The last thing that kept events from being stored.
    trouble: Option<String>,
}

#[derive(Clone)]
struct Sender {
    ingest: Ingest,
    totals: Arc<Mutex<Totals>>,
    patience: Duration,
}

/// `true` if everything was stored.
pub(crate) async fn run(place: &Place, send: Send) -> anyhow::Result<bool> {
    let url = place.url();
    let url = url.context("no stack runs there: start scripts/run-local, or name --url")?;
    let sender = Sender {
        ingest: Ingest::new(&url, &send.key)?,
        totals: Arc::default(),
        patience: Duration::from_secs(send.patience),
    };
    let bar = ProgressBar::new(lines::bytes(&send.files));
    bar.set_style(ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta} left {msg}")?);
    let places = Arc::new(Semaphore::new(REQUESTS));
    let batch = send.batch.clamp(1, 500);
    for file in &send.files {
        let mut reader = lines::open(file, &bar)?;
        loop {
            let lines =
                lines::batch(&mut *reader, batch).with_context(|| file.display().to_string())?;
            if lines.is_empty() {
                break;
            }
            let under_way = places.clone().acquire_owned().await?;
            let sender = sender.clone();
            let told = bar.clone();
            tokio::spawn(async move {
                sender.deliver(lines).await;
                told.set_message(format!("{} stored", sender.totals().stored));
                drop(under_way);
            });
        }
    }
    // All places are free again when nothing is under way any more.
    let _all = places.acquire_many(u32::try_from(REQUESTS)?).await?;
    bar.finish_and_clear();
    report(&sender.totals())
}

fn report(totals: &Totals) -> anyhow::Result<bool> {
    let rejected: usize = totals.rejected.values().sum();
    let Totals { received, stored, deferred, .. } = totals;
    show::line(&format!(
        "{received} received, {stored} stored, {rejected} rejected, {deferred} deferred"
    ))?;
    for (reason, count) in &totals.rejected {
        show::line(&format!("  {count} rejected: {reason}"))?;
    }
    if let Some(trouble) = &totals.trouble {
        show::line(&format!("  the last trouble: {trouble}"))?;
    }
    Ok(*stored == *received)
}

impl Sender {
    fn totals(&self) -> std::sync::MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends lines until each has its last answer, or patience is at its end.
    async fn deliver(&self, lines: Vec<Vec<u8>>) {
        self.totals().received += lines.len();
        let mut waiting = vec![lines];
        let started = Instant::now();
        while let Some(lines) = waiting.pop() {
            let (body, lines) = body(lines);
            let pause = match self.ingest.post(&body, None).await {
                Ok(Reply::Receipt(receipt, pause)) => {
                    let deferred = self.settle(&receipt, &lines);
                    if deferred.is_empty() {
                        continue;
                    }
                    waiting.push(deferred);
                    self.totals().trouble = Some("events were deferred".to_owned());
                    pause
                }
                Ok(Reply::Refused { status: 408 | 429 | 500.., detail, retry_after }) => {
                    self.totals().trouble = Some(detail);
                    waiting.push(lines);
                    retry_after
                }
                // A body that is refused whole is halved, until the one line at fault is alone.
                Ok(Reply::Refused { status: 400 | 413, detail, .. }) => {
                    self.halve(lines, &detail, &mut waiting);
                    continue;
                }
                Ok(Reply::Refused { detail, .. }) => {
                    *self.totals().rejected.entry(detail).or_default() += lines.len();
                    continue;
                }
                Err(error) => {
                    self.totals().trouble = Some(error.to_string());
                    waiting.push(lines);
                    None
                }
            };
            if started.elapsed() > self.patience {
                break;
            }
            tokio::time::sleep(pause.unwrap_or(PAUSE)).await;
        }
        self.totals().deferred += waiting.iter().map(Vec::len).sum::<usize>();
    }

    /// Counts a receipt; gives back the lines to be sent again.
    fn settle(&self, receipt: &Receipt, lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut totals = self.totals();
        // A line alone may be a whole body of its own: an array has many events, or none.
        if lines.len() == 1 && receipt.received != 1 {
            if receipt.received > 0 && receipt.stored == receipt.received {
                totals.stored += 1;
            } else {
                *totals.rejected.entry("not_an_object".to_owned()).or_default() += 1;
            }
            return Vec::new();
        }
        totals.stored += receipt.stored;
        let mut again = Vec::new();
        for event in &receipt.results {
            match (event.retryable, lines.get(event.index)) {
                (true, Some(line)) => again.push(line.clone()),
                (false, _) if event.status == "rejected" => {
                    let reason = event.reason.clone().unwrap_or_default();
                    *totals.rejected.entry(reason).or_default() += 1;
                }
                _ => {}
            }
        }
        again
    }

    fn halve(&self, mut lines: Vec<Vec<u8>>, detail: &str, waiting: &mut Vec<Vec<Vec<u8>>>) {
        if lines.len() == 1 {
            let reason = if lines[0].len() > 32 << 10 { "too_large" } else { "malformed_json" };
            let reason = format!("{reason} ({detail})");
            *self.totals().rejected.entry(reason).or_default() += 1;
            return;
        }
        let tail = lines.split_off(lines.len() / 2);
        waiting.extend([tail, lines]);
    }
}

/// NDJSON. A body is told by its beginning, so the first line is one that begins as an object.
fn body(mut lines: Vec<Vec<u8>>) -> (Vec<u8>, Vec<Vec<u8>>) {
    if let Some(first) = lines.iter().position(|line| line.starts_with(b"{")) {
        lines.swap(0, first);
    }
    let mut body = lines.join(&b'\n');
    body.push(b'\n');
    (body, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_begins_with_an_object() {
        let lines = ["[1", "no", "{}"].map(|line| line.as_bytes().to_vec());
        let (body, lines) = body(lines.into());
        assert_eq!(body, b"{}\nno\n[1\n");
        assert_eq!(lines[0], b"{}");
    }
}
