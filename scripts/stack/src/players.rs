//! The players: two weeks of play on a fresh directory, then life.

use std::{sync::Arc, time::Duration};

use questline_client::Ingest;
use questline_players::{Config, Players, Request};
use questline_runtime::{CancellationToken, TaskTracker, clock::now_micros};
use tokio::sync::Semaphore;

use crate::arguments::LOCAL;

/// Events of the whole past: enough for every plot, sent within seconds.
const HISTORY_EVENTS: f64 = 250_000.0;
/// Requests of the past under way at a time.
const HISTORY_REQUESTS: usize = 64;
const DAY_MICROS: i64 = 86_400 * 1_000_000;

pub(crate) struct Game {
    pub(crate) nobody: bool,
    pub(crate) seed: u64,
    pub(crate) rate: f64,
    pub(crate) history_days: u32,
}

/// Plays until `stop`.
pub(crate) async fn play(game: Game, url: String, stop: CancellationToken) {
    let Ok(ingest) = Ingest::new(&url, LOCAL) else { return };
    if game.nobody {
        return;
    }
    let now = now_micros();
    let past = async {
        if game.history_days > 0 {
            history(&game, &ingest, now, &stop).await;
        }
    };
    let config = Config { seed: game.seed, events_per_second: game.rate, start: now };
    tokio::join!(past, live(Players::new(config), ingest.clone(), &stop));
}

/// The past is sent as late events, as fast as the stack takes them.
async fn history(game: &Game, ingest: &Ingest, now: i64, stop: &CancellationToken) {
    let days = game.history_days;
    let start = now - i64::from(days) * DAY_MICROS;
    let events_per_second = HISTORY_EVENTS / (f64::from(days) * 86_400.0);
    let players = Players::new(Config { seed: game.seed, events_per_second, start });
    let (under_way, sending) = (Arc::new(Semaphore::new(HISTORY_REQUESTS)), TaskTracker::new());
    for request in players.take_while(|request| request.at < now) {
        let place = stop.run_until_cancelled(under_way.clone().acquire_owned()).await;
        let Some(place) = place else { break };
        let ingest = ingest.clone();
        sending.spawn(async move {
            send(&ingest, &request).await;
            drop(place);
        });
    }
    sending.close();
    sending.wait().await;
}

/// Every request at its moment.
async fn live(players: Players, ingest: Ingest, stop: &CancellationToken) {
    for request in players {
        let wait = u64::try_from(request.at - now_micros()).unwrap_or(0);
        let moment = tokio::time::sleep(Duration::from_micros(wait));
        if stop.run_until_cancelled(moment).await.is_none() {
            return;
        }
        let ingest = ingest.clone();
        tokio::spawn(async move { send(&ingest, &request).await });
    }
}

/// A player whose request fails is a player who is offline: the game goes on.
async fn send(ingest: &Ingest, request: &Request) {
    if let Err(error) = ingest.post(&request.body, Some(request.address)).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "players.send");
    }
}
