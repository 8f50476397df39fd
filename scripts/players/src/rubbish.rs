//! What a modified client sends between proper events.

use fastrand::Rng;

use crate::{
    batch::{Batch, Stamp},
    calendar::DAY,
    chance, json,
};

/// The share of a modified client's events after which rubbish follows.
pub(crate) const SHARE: f64 = 0.2;

/// Writes one event that the pipeline has reason to refuse.
pub(crate) fn write(batch: &mut Batch, now: i64, rng: &mut Rng) {
    let id = chance::uuid(rng);
    let level = |out: &mut Vec<u8>| json::raw("\"level_id\":\"7\"", out);
    match rng.u8(..5) {
        0 => batch.event(id, now, "1002", |out| json::raw("\"moves_used\":12", out)),
        1 => batch.event(id, now, "2001", |out| json::raw("\"price_usd\":\"4.99\"", out)),
        2 => batch.stamped(id, now, Stamp::Words("yesterday evening"), "1001", level),
        3 => batch.stamped(id, now, Stamp::Moment(now + DAY), "1001", level),
        _ => {
            batch.event(id, now, "1001", level);
            batch.truncate(rng.f64());
        }
    }
}
