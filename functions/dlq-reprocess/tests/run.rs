//! Letters that a run must leave: whoever brought them back again and again would never end.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::sync::Arc;

use async_trait::async_trait;
use questline_dlq_reprocess::{Reprocess, Request};
use questline_environment::Rulebook;
use questline_events::headers::Envelope;
use questline_log_sqlite::SqliteLog;
use questline_runtime::{clock::SystemClock, config::Env};
use questline_stores::{
    Headers,
    letters::{Cursor, Letters, Selection, WaitingLetter},
    log::Reader as _,
    warehouse::WarehouseError,
};
use serde_json::json;

/// Letters that wait, as a warehouse has them.
struct Waiting(Vec<WaitingLetter>);

#[async_trait]
impl Letters for Waiting {
    async fn waiting(
        &self,
        _: &Selection,
        after: &Cursor,
        most: usize,
    ) -> Result<Vec<WaitingLetter>, WarehouseError> {
        let later = self.0.iter().filter(|letter| letter.cursor.failed_at > after.failed_at);
        Ok(later.take(most).cloned().collect())
    }

    async fn count(&self, _: &Selection) -> Result<u64, WarehouseError> {
        Ok(self.0.len() as u64)
    }
}

fn letter(at: i64, run: &str, bytes: usize) -> WaitingLetter {
    WaitingLetter {
        cursor: Cursor { failed_at: at, letter: format!("log/0/{at}") },
        attempts: 1,
        reason: "malformed_json".to_owned(),
        detail: None,
        received_at: 1_795_341_601_000_000,
        key: Some("u".into()),
        value: Some(vec![b'x'; bytes].into()),
        // In microseconds: no moment that anybody could have meant.
        headers: Headers::new([
            ("app_id", &b"a"[..]),
            ("received_at", b"1795341601000000"),
            ("run", run.as_bytes()),
        ]),
        partition: 0,
    }
}

#[tokio::test]
async fn what_cannot_come_back_holds_nothing_up_and_what_died_in_this_run_is_left_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(SqliteLog::open(folder.path()).unwrap());
    let letters =
        [letter(1, "before", 1 << 20), letter(2, "this", 10), letter(3, "before", 1_000_000)];
    let rules = Rulebook::read(&Env::of([])).unwrap().rules;
    let letters = Arc::new(Waiting(letters.to_vec()));
    let reprocess = Reprocess::new(letters, log.clone(), rules, SystemClock::shared());
    let resume = json!({"run": "this", "began": 9, "after": {"failed_at": 0, "letter": ""}});
    let request: Request = serde_json::from_value(json!({ "resume": resume })).unwrap();
    let report = reprocess.call(&request).await.unwrap();
    assert_eq!((report.looked_at, report.brought_back, report.not_stored), (3, 1, 0));
    assert_eq!(report.unfixable.len(), 1);
    assert_eq!(report.unfixable[0].why, "too large for the raw topic");
    assert_eq!(report.unfixable[0].sample, "log/0/1");
    let back = log.record(0, 0).await.unwrap().unwrap();
    let envelope = Envelope::read(back.headers.block(), 0);
    assert_eq!(envelope.received_at, 1_795_341_601_000_000, "what it was judged by stays");
}

#[tokio::test]
async fn a_low_rate_holds_where_a_call_ends_soon() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(SqliteLog::open(folder.path()).unwrap());
    let letters: Vec<_> = (1..=20).map(|at| letter(at, "before", 10)).collect();
    let rules = Rulebook::read(&Env::of([])).unwrap().rules;
    let reprocess = Reprocess::new(Arc::new(Waiting(letters)), log, rules, SystemClock::shared());
    let mut resume = json!({"run": "this", "began": 99, "after": {"failed_at": 0, "letter": ""}});
    for call in 1..=2 {
        let request = json!({ "rate": 4, "seconds": 1, "resume": resume });
        let started = std::time::Instant::now();
        let report = reprocess.call(&serde_json::from_value(request).unwrap()).await.unwrap();
        let seconds = started.elapsed().as_secs_f64();
        assert!(report.brought_back as f64 <= 4.0 * (seconds + 1.0), "{call}: {report:?}");
        assert!(seconds > 0.9, "{call}: {seconds}");
        resume = serde_json::to_value(report.resume.unwrap()).unwrap();
    }
    assert!(resume["after"]["failed_at"].as_i64().unwrap() <= 16, "{resume}");
}
