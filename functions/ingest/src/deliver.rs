//! From records to acknowledgements, and after the deadline to the last delivery report.

use std::{ops::Range, sync::Arc};

use questline_runtime::metrics::Metrics;
use questline_stores::{
    NewRecord, Topic,
    log::{Deliveries, Fate},
};

use crate::{
    book::{Afterwards, Request},
    instance::Ingest,
    receipt::Status,
};

/// The records of one request.
pub(crate) struct Delivery {
    pub(crate) records: Vec<NewRecord>,
    pub(crate) received: usize,
    pub(crate) rejected: usize,
    pub(crate) app: String,
}

/// Which records were stored before the deadline.
#[derive(Debug, Default)]
pub(crate) struct Statuses(Vec<Range<usize>>);

impl Statuses {
    pub(crate) fn stored(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    pub(crate) fn of(&self, place: usize) -> Status {
        if self.0.iter().any(|range| range.contains(&place)) {
            Status::Stored
        } else {
            Status::Deferred
        }
    }
}

impl Delivery {
    pub(crate) async fn run(self, ingest: &Arc<Ingest>, request: Request) -> Statuses {
        let count = self.records.len();
        let started = tokio::time::Instant::now();
        let mut deliveries = match count {
            0 => None,
            _ => Some(ingest.appender.append(Topic::Raw, self.records)),
        };
        let mut statuses = Statuses::default();
        let mut failed = 0;
        let deadline = tokio::time::sleep(ingest.deadline);
        tokio::pin!(deadline);
        while let Some(reports) = &mut deliveries
            && statuses.stored() + failed < count
        {
            tokio::select! {
                report = reports.next() => match report {
                    Some((range, Fate::Stored)) => statuses.0.push(range),
                    Some((range, Fate::Failed)) => failed += range.len(),
                    None => deliveries = None,
                },
                () = &mut deadline => break,
            }
        }
        let stored = statuses.stored();
        ingest.observe("append", started.elapsed());
        let deferred = count - stored;
        request.count(&self.app, |counts| {
            counts.received += number(self.received);
            counts.stored += number(stored);
            counts.rejected += number(self.rejected);
            counts.deferred += number(deferred);
            counts.failed += number(failed);
        });
        count_events(&ingest.metrics, stored, self.rejected, deferred, failed);
        let open = deferred - failed;
        if open > 0 {
            let follow = Follow { app: self.app, open, after: request.afterwards() };
            ingest.followers.spawn(follow.run(ingest.clone(), deliveries));
        }
        if ingest.page_per_request {
            drop(request);
            ingest.write_pages(true).await;
        }
        statuses
    }
}

/// Deferred events on their way to their last report.
struct Follow {
    app: String,
    open: usize,
    after: Afterwards,
}

impl Follow {
    async fn run(mut self, ingest: Arc<Ingest>, mut deliveries: Option<Deliveries>) {
        while self.open > 0 {
            let report = match &mut deliveries {
                Some(reports) => tokio::select! {
                    report = reports.next() => report,
                    () = ingest.ending.cancelled() => None,
                },
                None => None,
            };
            let (outcome, count) = match &report {
                Some((range, Fate::Stored)) => ("late", range.len()),
                Some((range, Fate::Failed)) => ("failed", range.len()),
                None => ("unknown", self.open),
            };
            self.open = self.open.saturating_sub(count);
            let events = number(count);
            self.after.count(&self.app, |counts| match outcome {
                "late" => counts.late += events,
                "failed" => counts.failed += events,
                _ => counts.unknown += events,
            });
            count_outcome(&ingest.metrics, outcome, count);
        }
    }
}

fn count_events(metrics: &Metrics, stored: usize, rejected: usize, deferred: usize, failed: usize) {
    for (outcome, count) in
        [("stored", stored), ("rejected", rejected), ("deferred", deferred), ("failed", failed)]
    {
        count_outcome(metrics, outcome, count);
    }
}

fn count_outcome(metrics: &Metrics, outcome: &str, count: usize) {
    if count > 0 {
        metrics.ingest_events.get_or_create(&outcome.into()).inc_by(count as u64);
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
