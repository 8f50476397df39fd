//! One instance of ingest: what it needs, and its book of the ledger from the first page to the last.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use questline_events::{Rules, ledger::Page, limits::DELIVERY_DEADLINE};
use questline_runtime::{CancellationToken, TaskTracker, clock::Clock, metrics::Metrics};
use questline_stores::{NewRecord, Topic, log::Appender};

use crate::{book::Book, config::Config, keys::Keys};

/// One instance of ingest.
pub struct Ingest {
    pub(crate) appender: Arc<dyn Appender>,
    pub(crate) rules: Rules,
    pub(crate) keys: Keys,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) metrics_token: Option<String>,
    /// The book of this instance.
    pub book: Arc<Book>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a request waits for the log.
    pub deadline: Duration,
    /// On Lambda an instance may be frozen after every answer: its pages go with the request.
    pub page_per_request: bool,
    pub(crate) followers: TaskTracker,
    pub(crate) ending: CancellationToken,
}

impl Ingest {
    /// An instance that starts now.
    #[must_use]
    pub fn new(
        config: Config,
        appender: Arc<dyn Appender>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (now, names) = (clock.now_micros(), clock.clone());
        Self {
            appender,
            rules: config.rules,
            keys: config.keys,
            trusted_proxies: config.trusted_proxies,
            metrics_token: config.metrics_token,
            book: Book::new(move || names.unique_id().to_string(), now),
            metrics,
            clock,
            deadline: DELIVERY_DEADLINE,
            page_per_request: false,
            followers: TaskTracker::new(),
            ending: CancellationToken::new(),
        }
    }

    /// Says that the instance lives, then writes the pages of minutes that are over, every second,
    /// until it ends.
    pub async fn keep_book(&self) {
        loop {
            self.write_pages(false).await;
            let second = tokio::time::sleep(Duration::from_secs(1));
            if self.ending.run_until_cancelled(second).await.is_none() {
                return;
            }
        }
    }

    /// Sends what is in the book to the log; what it does not acknowledge is sent again.
    /// `running`: also the pages of minutes that are not over yet.
    pub async fn write_pages(&self, running: bool) -> bool {
        let mut pages = self.book.pages(self.clock.now_micros(), running);
        if self.page_per_request {
            // A frozen instance may never wake: no page is to be waited for.
            for page in &mut pages {
                (page.complete, page.closing) = (true, true);
            }
        }
        self.send(pages).await
    }

    async fn send(&self, pages: Vec<Page>) -> bool {
        if pages.is_empty() {
            return true;
        }
        let records: Vec<_> = pages.iter().map(NewRecord::of_page).collect();
        let sent = self.appender.append(Topic::Raw, records).all_stored();
        let stored = tokio::time::timeout(self.deadline, sent).await.unwrap_or(false);
        if stored {
            self.book.sent(&pages);
        }
        stored
    }

    /// The end of an instance that answers no more: deferred events whose report has not come are
    /// unknown, and the last page closes the book.
    pub async fn end(&self, patience: Duration) {
        self.followers.close();
        // Reports that are on their way are waited for.
        _ = tokio::time::timeout(patience, self.followers.wait()).await;
        self.ending.cancel();
        // Requests that waited for the log count what they know by now.
        let idle = async {
            while !self.book.is_idle() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        _ = tokio::time::timeout(patience, idle).await;
        self.followers.wait().await;
        if !self.send(self.book.close(self.clock.now_micros())).await {
            tracing::error!("ingest.end: the last pages of the ledger were not stored");
        }
    }

    pub(crate) fn observe(&self, phase: &str, took: Duration) {
        self.metrics.ingest_duration.get_or_create(&phase.into()).observe(took.as_secs_f64());
    }
}
