//! Events of the simulated players, as lines and as bodies of 50.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use questline_events::split::split;
use questline_players::{Config, Players};

/// Events in a body.
pub(crate) const BODY_EVENTS: usize = 50;

/// Events one after the other, as sent; the players play on for ever. `start` is microseconds since
/// 1970: the events are of that moment on.
pub(crate) fn events(seed: u64, start: i64) -> impl Iterator<Item = Vec<u8>> {
    let players = Players::new(Config { seed, events_per_second: 200_000.0, start });
    players.flat_map(|request| {
        let split = split(&request.body).unwrap_or_default();
        split.events.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    })
}

/// NDJSON bodies of 50 events, compressed as a client would.
pub(crate) fn bodies(seed: u64, start: i64) -> impl Iterator<Item = Vec<u8>> {
    let mut events = events(seed, start);
    std::iter::from_fn(move || {
        let mut gzip = GzEncoder::new(Vec::with_capacity(8_192), Compression::fast());
        for event in events.by_ref().take(BODY_EVENTS) {
            // Writing to a Vec cannot fail.
            _ = gzip.write_all(&event).and_then(|()| gzip.write_all(b"\n"));
        }
        gzip.finish().ok()
    })
}
