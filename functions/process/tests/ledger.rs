//! One lost record is located to its hop and minute, wherever it is lost.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::sync::{Arc, atomic::Ordering};

use questline_events::{
    headers::{APP_ID, INGEST, RECEIVED_AT},
    ledger::{Counts, Hop, Page},
    time::{MINUTE, minute, text},
};
use questline_log_kafka::{KafkaLog, Settings};
use questline_runtime::clock::now_micros;
use questline_stores::{Headers, NewRecord, Topic};
use questline_testing::Kafka;
use serde_json::json;
use support::{Stage, event};

/// Ten events of an instance of ingest that has ended in order since.
struct Case {
    boot: &'static str,
    /// What it wrote down of them.
    counts: Counts,
    /// How many of them are in the log.
    stored: usize,
    plant: fn(&Stage),
    /// Every residue that is not 0.
    found: &'static [(&'static str, i64)],
}

fn cases() -> [Case; 6] {
    let ten = Counts { received: 10, stored: 10, ..Counts::default() };
    let sound = Case { boot: "sound", counts: ten, stored: 10, plant: |_| {}, found: &[] };
    [
        Case { ..sound },
        // Deferred, and acknowledged after all.
        Case { boot: "late", counts: Counts { stored: 9, deferred: 1, late: 1, ..ten }, ..sound },
        Case {
            boot: "ingest",
            counts: Counts { stored: 9, ..ten },
            stored: 9,
            found: &[("ingest", 1)],
            ..sound
        },
        Case { boot: "log", stored: 9, found: &[("log", 1)], ..sound },
        // Neither accepted nor anything else; and so the tables have one more than they are to have.
        Case {
            boot: "process",
            plant: |stage| stage.writes.uncounted.store(1, Ordering::SeqCst),
            found: &[("process", 1), ("warehouse", -1)],
            ..sound
        },
        Case {
            boot: "warehouse",
            plant: |stage| stage.writes.lost.store(1, Ordering::SeqCst),
            found: &[("warehouse", 1)],
            ..sound
        },
    ]
}

impl Case {
    fn page(&self, at: i64) -> NewRecord {
        NewRecord::of_page(&Page {
            hop: Hop::Ingest,
            boot: self.boot.to_owned(),
            seq: 1,
            minute: at,
            complete: true,
            closing: true,
            apps: vec![("app".to_owned(), self.counts)],
        })
    }

    fn records(&self, at: i64) -> Vec<NewRecord> {
        let received_at = (at / 1_000).to_string();
        let headers = Headers::new([
            (APP_ID, &b"app"[..]),
            (RECEIVED_AT, received_at.as_bytes()),
            (INGEST, self.boot.as_bytes()),
        ]);
        let record = |n| NewRecord {
            key: Some("u".into()),
            value: Some(event(&format!("{}-{n}", self.boot)).into()),
            headers: headers.clone(),
            ..NewRecord::default()
        };
        (0..self.stored).map(record).collect()
    }
}

/// Each case has a minute of its own.
async fn every_loss_is_located(stage: &Stage) {
    let first = minute(now_micros()) - 20 * MINUTE;
    for (n, case) in (0..).zip(cases()) {
        let at = first + n * MINUTE;
        (case.plant)(stage);
        for records in [case.records(at), vec![case.page(at)]] {
            assert!(stage.log.append(Topic::Raw, records).all_stored().await);
        }
        stage.process_until("SELECT count(*) > 0 FROM ledger WHERE hop = 'closed'").await;
        let at = text(at)[..19].to_owned() + "Z";
        let found = format!(
            "SELECT hop, strftime(minute, '%Y-%m-%dT%H:%M:%SZ'), state, residue FROM ledger_residue
             WHERE minute = TIMESTAMPTZ '{at}' AND residue <> 0 ORDER BY hop"
        );
        let expected: Vec<_> =
            case.found.iter().map(|(hop, residue)| json!([hop, at, "proved", residue])).collect();
        assert_eq!(stage.rows(&found).await, json!(expected).to_string(), "{}", case.boot);
    }
    let elsewhere = "SELECT count(*) FROM ledger_residue WHERE residue <> 0";
    assert_eq!(stage.rows(elsewhere).await, "[[5]]", "and in no other minute");
}

/// An instance that is killed writes no more: of its last minute nobody may say that nothing was
/// lost, though all that it acknowledged was read.
async fn a_last_minute_is_unproved(stage: &Stage) {
    let [sound, ..] = cases();
    let killed = Case { boot: "killed", ..sound };
    let written = minute(now_micros()) - MINUTE;
    let mut page = killed.page(written);
    page.value = page.value.map(|page| {
        let page = String::from_utf8(page.to_vec()).unwrap();
        page.replace(r#""closing":true"#, r#""closing":false"#).into()
    });
    for records in [killed.records(written), vec![page]] {
        assert!(stage.log.append(Topic::Raw, records).all_stored().await);
    }
    let last = Case { boot: "killed", stored: 3, ..sound }.records(written + MINUTE);
    assert!(stage.log.append(Topic::Raw, last).all_stored().await);
    stage.process().await;
    // Three minutes of silence, and the minute is over for the closer.
    stage.ahead.store(6 * MINUTE, Ordering::SeqCst);
    let at = text(written + MINUTE)[..19].to_owned() + "Z";
    let closed = format!(
        "SELECT count(*) > 0 FROM ledger WHERE hop = 'closed' AND minute >= TIMESTAMPTZ '{at}'"
    );
    stage.process_until(&closed).await;
    let minutes = "SELECT read, lost, state FROM ledger_minutes WHERE source = 'killed'
        AND app_id = 'app' ORDER BY minute";
    let expected = json!([[10, 0, "proved"], [3, null, "unproved"]]);
    assert_eq!(stage.rows(minutes).await, expected.to_string());
}

#[tokio::test]
async fn one_lost_record_is_located_on_the_embedded_log() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    every_loss_is_located(&stage).await;
    a_last_minute_is_unproved(&stage).await;
}

#[tokio::test]
async fn one_lost_record_is_located_on_kafka() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka"));
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = Arc::new(KafkaLog::open(settings).await.unwrap());
    let stage = Stage::on(log, folder.path());
    every_loss_is_located(&stage).await;
    a_last_minute_is_unproved(&stage).await;
}
