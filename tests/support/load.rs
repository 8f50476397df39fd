//! Load under which things are killed, and what has to hold when it is over.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use questline_client::{Ingest, Reply};
use tokio::task::JoinHandle;

use crate::support::{Stack, event};

const SENDERS: usize = 6;
const EVENTS: usize = 40;

/// Who sends, where the stack is now, and what was acknowledged.
#[derive(Default)]
pub(crate) struct Load {
    url: Mutex<String>,
    /// Batches of which every event was.
    acknowledged: Mutex<HashSet<String>>,
    sent: AtomicUsize,
    done: AtomicBool,
}

/// What is in the tables.
pub(crate) struct Found {
    pub(crate) accepted: i64,
    pub(crate) letters: i64,
}

impl Load {
    /// Begins to send.
    pub(crate) fn start(stack: &Stack) -> (Arc<Self>, Vec<JoinHandle<()>>) {
        let load = Arc::new(Self::default());
        load.now_at(stack);
        let senders = (0..SENDERS).map(|n| tokio::spawn(send(load.clone(), n))).collect();
        (load, senders)
    }

    /// The stack was started again, elsewhere.
    pub(crate) fn now_at(&self, stack: &Stack) {
        self.url.lock().unwrap().clone_from(&stack.url);
    }

    /// Ends the load, has everything processed, and sees that nothing acknowledged is lost, that
    /// nothing is there twice, and that minutes and ledger say so.
    pub(crate) async fn check(
        &self,
        stack: &Stack,
        senders: Vec<JoinHandle<()>>,
        kills: i64,
    ) -> Found {
        self.done.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.unwrap();
        }
        stack.settle().await;
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        let accepted = stack.number("SELECT count(*) FROM events").await;
        let letters = stack.number("SELECT count(*) FROM events_dlq").await;
        println!(
            "{kills} kills, {} requests, {} events acknowledged, {accepted} rows, {letters} letters",
            self.sent.load(Ordering::Relaxed),
            acknowledged.len() * EVENTS
        );
        assert!(acknowledged.len() > 100, "that was no load");
        every_one_is_there_once(stack, &acknowledged).await;
        assert_eq!(stack.number("SELECT sum(events) FROM events_1min").await, accepted, "minutes");
        // A letter has no identity: each record is its own, and no position comes twice.
        let positions = "SELECT count(*) FROM (SELECT DISTINCT source_partition, source_offset
            FROM (FROM events SELECT source_partition, source_offset
                  UNION ALL FROM events_dlq SELECT source_partition, source_offset))";
        assert_eq!(stack.number(positions).await, accepted + letters);
        ledger_is_right(stack, kills).await;
        Found { accepted, letters }
    }
}

/// Sends batches; each is sent until it is acknowledged whole, always with the same ids. Every
/// batch also holds one event without a type, which becomes a dead letter.
async fn send(load: Arc<Load>, sender: usize) {
    let mut batch = 0;
    while !load.done.load(Ordering::Relaxed) {
        let ids: Vec<_> = (0..EVENTS).map(|n| format!("{sender}-{batch}-{n}")).collect();
        let mut events: Vec<_> = ids.iter().map(|id| event(id)).collect();
        events.push(format!(
            r#"{{"id":"bad-{sender}-{batch}","user_id":"u","timestamp":"2026-11-23T12:00:00Z"}}"#
        ));
        let body = format!("[{}]", events.join(","));
        loop {
            let url = load.url.lock().unwrap().clone();
            load.sent.fetch_add(1, Ordering::Relaxed);
            let reply = Ingest::new(&url, "local").unwrap().post(body.as_bytes(), None).await;
            match reply {
                Ok(Reply::Receipt(receipt, _)) if receipt.stored == EVENTS + 1 => break,
                // Nobody there, or not all acknowledged.
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        load.acknowledged.lock().unwrap().insert(format!("{sender}-{batch}"));
        batch += 1;
    }
}

async fn every_one_is_there_once(stack: &Stack, acknowledged: &HashSet<String>) {
    let batches = "SELECT regexp_extract(event_id, '^[0-9]+-[0-9]+'), count(*),
                          count(DISTINCT event_id) FROM events GROUP BY 1";
    let stored: Vec<(String, usize, usize)> =
        serde_json::from_str(&stack.rows(batches).await).unwrap();
    for (batch, rows, unique) in &stored {
        assert_eq!(rows, unique, "an event of {batch} is there twice");
    }
    let whole: HashSet<_> =
        stored.iter().filter(|(_, rows, _)| *rows == EVENTS).map(|(batch, ..)| batch).collect();
    let lost = acknowledged.iter().filter(|batch| !whole.contains(batch)).count();
    assert_eq!(lost, 0, "an acknowledged event is lost");
}

/// What it can prove is 0; of a boot that was killed it does not claim to know.
async fn ledger_is_right(stack: &Stack, kills: i64) {
    let unequal = "SELECT count(*) FROM ledger_minutes
        WHERE read <> accepted + duplicate + dead_lettered";
    assert_eq!(stack.number(unequal).await, 0);
    let missing = "SELECT count(*) FROM ledger_residue WHERE residue <> 0";
    assert_eq!(
        stack.number(missing).await,
        0,
        "{}",
        stack.rows("SELECT * FROM ledger_residue WHERE residue <> 0").await
    );
    let rows = "SELECT (SELECT sum(accepted) FROM ledger_minutes) - (SELECT count(*) FROM events)";
    assert_eq!(stack.number(rows).await, 0);
    // Every killed boot is known by its first page or by its records, and none of them has ended.
    let boots = "SELECT count(*) FROM ledger_boots WHERE NOT ended";
    assert!(stack.number(boots).await >= kills / 2);
}
