//! From records to acknowledgements, and after the deadline to the last delivery report.

use std::sync::Arc;

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

/// What was known of each record at the deadline.
#[derive(Debug, Default)]
pub(crate) struct Statuses(Vec<Option<Fate>>);

impl Statuses {
    pub(crate) fn stored(&self) -> usize {
        self.count(Some(Fate::Stored))
    }

    fn count(&self, fate: Option<Fate>) -> usize {
        self.0.iter().filter(|known| **known == fate).count()
    }

    pub(crate) fn of(&self, place: usize) -> Status {
        match self.0.get(place) {
            Some(Some(Fate::Stored)) => Status::Stored,
            _ => Status::Deferred,
        }
    }
}

impl Delivery {
    pub(crate) async fn run(self, ingest: &Arc<Ingest>, request: Request) -> Statuses {
        let started = tokio::time::Instant::now();
        let mut statuses = Statuses::default();
        let mut deliveries = None;
        if !self.records.is_empty() {
            let mut reports = ingest.appender.append(Topic::Raw, self.records);
            // What the deadline, or the end of the instance, cuts off is followed.
            let reported = ingest.ending.run_until_cancelled(reports.ended());
            _ = tokio::time::timeout(ingest.deadline, reported).await;
            statuses = Statuses(reports.fates().collect());
            deliveries = Some(reports);
        }
        let (stored, failed) = (statuses.stored(), statuses.count(Some(Fate::Failed)));
        let open = statuses.count(None);
        let deferred = failed + open;
        ingest.observe("append", started.elapsed());
        request.count(&self.app, |counts| {
            counts.received += number(self.received);
            counts.stored += number(stored);
            counts.rejected += number(self.rejected);
            counts.deferred += number(deferred);
            counts.failed += number(failed);
        });
        count_events(&ingest.metrics, stored, self.rejected, deferred, failed);
        if let Some(deliveries) = deliveries
            && open > 0
        {
            let known = Statuses(statuses.0.clone());
            let follow = Follow { app: self.app, known, deliveries, after: request.afterwards() };
            ingest.followers.spawn(follow.run(ingest.clone()));
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
    known: Statuses,
    deliveries: Deliveries,
    after: Afterwards,
}

impl Follow {
    async fn run(mut self, ingest: Arc<Ingest>) {
        _ = ingest.ending.run_until_cancelled(self.deliveries.ended()).await;
        let open = self.deliveries.fates().zip(&self.known.0).filter(|(_, known)| known.is_none());
        let fates = Statuses(open.map(|(fate, _)| fate).collect());
        let (late, failed) = (fates.stored(), fates.count(Some(Fate::Failed)));
        let unknown = fates.count(None);
        self.after.count(&self.app, |counts| {
            counts.late += number(late);
            counts.failed += number(failed);
            counts.unknown += number(unknown);
        });
        for (outcome, count) in [("late", late), ("failed", failed), ("unknown", unknown)] {
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
