//! A deferred event is followed to its last delivery report, and the ledger has every one.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{sync::Arc, time::Duration};

use questline_events::ledger::{Counts, Page};
use questline_ingest::Ingest;
use questline_runtime::clock::now_micros;
use questline_stores::log::Fate;
use support::{Reports, answer, event, impatient, ingest, post, until};

/// What the pages say about the app, in sum.
fn counted(pages: &[Page]) -> Counts {
    let mut sum = Counts::default();
    for (app, counts) in pages.iter().flat_map(|page| &page.apps) {
        assert_eq!(app, "local");
        sum += *counts;
    }
    sum
}

/// Three good events and a bad one; the log has said nothing yet of them, or only of the first.
async fn deferred(ingest: &Arc<Ingest>, log: &Reports, report: Option<Fate>) -> serde_json::Value {
    let body = format!("[{},{},7,{}]", event("a"), event("b"), event("c"));
    let sent = tokio::spawn({
        let ingest = ingest.clone();
        async move { answer(&ingest, post("/v1/events", body)).await }
    });
    until(|| !log.appends.lock().unwrap().is_empty()).await;
    if let Some(fate) = report {
        log.appends.lock().unwrap()[0].1.report(0..1, fate);
    }
    let answer = sent.await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    answer.body
}

#[tokio::test]
async fn what_the_log_does_not_acknowledge_in_time_is_deferred_and_then_late() {
    let log = Arc::new(Reports::default());
    let ingest = Arc::new(impatient(log.clone(), 1_000));
    let receipt = deferred(&ingest, &log, Some(Fate::Stored)).await;
    assert_eq!(receipt["stored"], 1);
    let results = receipt["results"].as_array().unwrap().iter();
    let named: Vec<_> = results.map(|r| (r["index"].as_u64(), &r["status"])).collect();
    assert_eq!(
        format!("{named:?}"),
        r#"[(Some(1), String("deferred")), (Some(2), String("rejected")), (Some(3), String("deferred"))]"#
    );
    let before = counted(&ingest.book.pages(now_micros(), true));
    let expected = Counts { received: 4, stored: 1, rejected: 1, deferred: 2, ..Counts::default() };
    assert_eq!(before, expected);

    let (_, reporter) = log.appends.lock().unwrap().remove(0);
    reporter.report(1..3, Fate::Stored);
    drop(reporter);
    until(|| counted(&ingest.book.pages(now_micros(), true)).late == 2).await;
    assert_eq!(counted(&ingest.book.pages(now_micros(), true)), Counts { late: 2, ..expected });
}

#[tokio::test]
async fn what_the_log_refuses_is_failed_and_what_nobody_hears_of_is_unknown() {
    let log = Arc::new(Reports::default());
    let ingest = Arc::new(impatient(log.clone(), 1_000));
    deferred(&ingest, &log, Some(Fate::Failed)).await;
    log.appends.lock().unwrap()[0].1.report(1..2, Fate::Failed);
    // The third one is never heard of, and the instance ends. Its last pages are not acknowledged
    // either, so they can still be read here.
    ingest.end(Duration::from_millis(20)).await;
    let pages = ingest.book.pages(now_micros(), true);
    let expected = Counts {
        received: 4,
        rejected: 1,
        deferred: 3,
        failed: 2,
        unknown: 1,
        ..Counts::default()
    };
    assert_eq!(counted(&pages), expected);
    assert!(pages.iter().any(|page| page.closing));
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_all_the_same() {
    let log = Arc::new(Reports::default());
    let ingest = Arc::new(ingest(log.clone(), 1_000));
    let gone = answer(&ingest, post("/v1/events", event("a")));
    assert!(tokio::time::timeout(Duration::from_millis(10), gone).await.is_err());
    let (_, reporter) = log.appends.lock().unwrap().remove(0);
    reporter.report(0..1, Fate::Stored);
    drop(reporter);
    until(|| counted(&ingest.book.pages(now_micros(), true)).stored == 1).await;
}
