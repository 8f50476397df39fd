//! Players: they send, and send again with the same ids until they are told that it is stored.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt as _;
use questline_events::time;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::{life::Life, world::World};

/// What is to become of an event, whatever happens on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One row.
    Good,
    /// One row, at the latest when the release at fault is mended and its letters are brought back.
    Level,
    /// Never a row, always a letter.
    Bad,
    /// The same, because the warehouse refuses it.
    Spoilt,
}

/// What one player knows of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// What is to become of it.
    pub(crate) kind: Kind,
    /// A receipt says that it is stored.
    pub(crate) stored: bool,
}

/// Every event that was ever sent, by id.
pub(crate) type Book = Arc<Mutex<BTreeMap<String, Sent>>>;

/// An instance of ingest that answers.
#[derive(Clone)]
pub(crate) struct Door {
    /// Its process.
    pub(crate) life: Arc<Life>,
    /// Its routes.
    pub(crate) routes: Router,
}

/// The instances of ingest that answer now.
pub(crate) type Doors = Arc<Mutex<BTreeMap<u64, Door>>>;

/// One player.
pub(crate) struct Player {
    /// Where it plays.
    pub(crate) world: Arc<World>,
    /// Who it is.
    pub(crate) number: u64,
    /// To whom it may send.
    pub(crate) doors: Doors,
    /// What it has sent.
    pub(crate) book: Book,
}

impl Player {
    /// Plays until the world calms down.
    pub(crate) async fn play(self) {
        let mut next = 0;
        while !self.world.is_calm() {
            tokio::time::sleep(self.world.chance.time(50..4_000)).await;
            let events: Vec<_> = (0..self.world.chance.number(1..7))
                .map(|_| {
                    // Now and then one that was sent before.
                    let again = next > 0 && self.world.chance.one_in(8);
                    let number = if again { self.world.chance.number(0..next) } else { next };
                    next = next.max(number + 1);
                    self.event(number)
                })
                .collect();
            self.send(&events).await;
        }
    }

    /// An event of a number is always the same.
    fn event(&self, number: u64) -> (String, Kind, String) {
        let player = self.number;
        let kind = match number % 10 {
            0..=3 => Kind::Good,
            4..=7 => Kind::Level,
            8 => Kind::Bad,
            _ if number % 40 == 9 => Kind::Spoilt,
            _ => Kind::Good,
        };
        let id = match kind {
            Kind::Spoilt => format!("spoilt-{player}-{number}"),
            _ => format!("{player}-{number}"),
        };
        let at = time::text(self.world.now_micros());
        let (at, code) = match kind {
            Kind::Bad => (String::new(), 3002),
            Kind::Level => (at, 1001 + number % 3),
            Kind::Good | Kind::Spoilt => (at, 3002),
        };
        let level = number % 5;
        let text = format!(
            r#"{{"id":"{id}","user_id":"{player}","timestamp":"{at}","type":{code},"parameters":{{"level_id":{level}}}}}"#
        );
        (id, kind, text)
    }

    /// Sends until all is stored, or patience ends.
    async fn send(&self, events: &[(String, Kind, String)]) {
        let mut left = Vec::new();
        for event in events {
            let fresh = Sent { kind: event.1, stored: false };
            self.lock(|book| book.entry(event.0.clone()).or_insert(fresh).kind);
            left.push(event);
        }
        for _ in 0..self.world.chance.number(1..8) {
            if let Some(stored) = self.post(&left).await {
                self.lock(|book| {
                    for (_, sent) in book.iter_mut().filter(|(id, _)| stored.contains(id)) {
                        sent.stored = true;
                    }
                });
                left.retain(|event| !stored.contains(&event.0));
            }
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(self.world.chance.time(200..3_000)).await;
        }
    }

    /// The ids that a receipt says are stored; none if there is no receipt.
    async fn post(&self, events: &[&(String, Kind, String)]) -> Option<Vec<String>> {
        self.world.pass(1..40).await;
        let door = {
            let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
            let which = self.world.chance.number(0..doors.len().max(1) as u64);
            doors.values().nth(usize::try_from(which).ok()?)?.clone()
        };
        let body: Vec<_> = events.iter().map(|event| event.2.as_str()).collect();
        let request = Request::post("/v1/events?receipts=all").header("x-api-key", "local");
        let request = request.body(Body::from(body.join("\n"))).ok()?;
        let answered = async {
            let answer = door.routes.oneshot(request).await.ok()?;
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            door.life.pass().await;
            serde_json::from_slice::<Value>(&body).ok()
        };
        let receipt = tokio::time::timeout(Duration::from_secs(12), async {
            tokio::select! {
                biased;
                () = door.life.ended() => None,
                receipt = answered => receipt,
            }
        });
        let receipt = receipt.await.ok().flatten()?;
        let stored = receipt["results"].as_array()?.iter();
        let stored = stored.filter(|result| result["status"] == "stored");
        Some(stored.filter_map(|result| Some(result["id"].as_str()?.to_owned())).collect())
    }

    fn lock<T>(&self, with: impl FnOnce(&mut BTreeMap<String, Sent>) -> T) -> T {
        with(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
