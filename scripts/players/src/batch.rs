//! The events of a session, gathered into requests.

use std::net::Ipv4Addr;

use crate::{
    Request,
    calendar::{DAY, SECOND, day},
    json,
    population::Player,
    session::Course,
};

/// Events of a request at most.
const MOST: u32 = 50;
/// A client that sends during play sends what it has after this time.
const PERIOD: i64 = 30 * SECOND;

/// A new release every so often, since this moment (2025-01-01).
const RELEASE_PERIOD: i64 = 10 * DAY;
const FIRST_RELEASE: i64 = 20_089 * DAY;

/// What a client has gathered and sent.
#[derive(Debug)]
pub(crate) struct Batch {
    address: Ipv4Addr,
    prompt: bool,
    /// Whether bodies are NDJSON.
    lines: bool,
    start: i64,
    period: i64,
    /// What all events of the session have: between `id` and `timestamp`, and after `parameters`.
    before: Vec<u8>,
    after: Vec<u8>,
    /// A bracket, and the events gathered, each with a line's end.
    body: Vec<u8>,
    /// Where these lines' ends are.
    ends: Vec<usize>,
    /// Whether a line gathered is not JSON, so that only NDJSON can carry it.
    broken: bool,
    /// When the oldest event gathered happened.
    since: i64,
    sent: Vec<Request>,
    /// All events written, with those before the start, which are not sent.
    pub(crate) events: u32,
}

/// When an event happened, as its client writes it.
pub(crate) enum Stamp {
    Moment(i64),
    Words(&'static str),
}

impl Batch {
    pub(crate) fn new(
        player: &Player,
        session: u128,
        lines: bool,
        now: i64,
        course: Course,
    ) -> Self {
        let mut before = Vec::with_capacity(128);
        json::raw(",\"user_id\":", &mut before);
        json::uuid(player.user_id, &mut before);
        json::raw(",\"session_id\":", &mut before);
        json::uuid(session, &mut before);
        json::raw(",\"timestamp\":", &mut before);
        Self {
            address: player.address,
            prompt: player.prompt,
            lines,
            start: course.start,
            period: course.shrink(PERIOD),
            before,
            after: after(player, now),
            body: Vec::new(),
            ends: Vec::with_capacity(MOST as usize),
            broken: false,
            since: now,
            sent: Vec::new(),
            events: 0,
        }
    }

    /// Writes an event of this moment. `parameters` writes the members of that object.
    pub(crate) fn event(
        &mut self,
        id: u128,
        now: i64,
        code: &str,
        parameters: impl FnOnce(&mut Vec<u8>),
    ) {
        self.stamped(id, now, Stamp::Moment(now), code, parameters);
    }

    /// The same, with a timestamp of its own.
    pub(crate) fn stamped(
        &mut self,
        id: u128,
        now: i64,
        stamp: Stamp,
        code: &str,
        parameters: impl FnOnce(&mut Vec<u8>),
    ) {
        self.events += 1;
        if now < self.start {
            return;
        }
        self.make_room(now);
        let out = &mut self.body;
        json::raw("{\"id\":", out);
        json::uuid(id, out);
        out.extend_from_slice(&self.before);
        match stamp {
            Stamp::Moment(moment) => json::moment(moment, out),
            Stamp::Words(words) => json::text(words, out),
        }
        json::raw(",\"type\":", out);
        json::raw(code, out);
        json::raw(",\"parameters\":{", out);
        parameters(out);
        out.extend_from_slice(&self.after);
        self.ends.push(out.len());
        out.push(b'\n');
    }

    /// Cuts the event written last, so that it is not JSON. `share` of it stays.
    pub(crate) fn truncate(&mut self, share: f64) {
        let Some(end) = self.ends.pop() else { return };
        let begin = self.ends.last().map_or(1, |before| before + 1);
        // The brace at the end always goes, the one at the begin never.
        let kept = ((end - begin) as f64 * share) as usize;
        let end = begin + kept.clamp(1, end - begin - 1);
        self.body.truncate(end);
        self.body.push(b'\n');
        self.ends.push(end);
        self.broken = true;
    }

    /// Sends what is due, or too much, before another event of this moment.
    fn make_room(&mut self, now: i64) {
        if self.prompt && !self.ends.is_empty() && now >= self.since + self.period {
            self.send(self.since + self.period);
        } else if self.ends.len() >= MOST as usize {
            self.send(now);
        }
        if self.ends.is_empty() {
            self.since = now;
            self.body.reserve_exact(if self.prompt { 2 << 10 } else { 16 << 10 });
            self.body.push(b'[');
        }
    }

    fn send(&mut self, at: i64) {
        let mut body = std::mem::take(&mut self.body);
        if self.lines || self.broken {
            body.remove(0);
        } else {
            for end in &self.ends {
                body[*end] = b',';
            }
            if let Some(last) = body.last_mut() {
                *last = b']';
            }
        }
        let events = self.ends.len() as u32;
        self.sent.push(Request { at, address: self.address, body, events });
        self.ends.clear();
        self.broken = false;
    }

    /// Sends the rest when the session ends. All requests of the session, in order.
    pub(crate) fn finish(mut self, now: i64) -> Vec<Request> {
        if !self.ends.is_empty() {
            self.send(if self.prompt { now.min(self.since + self.period) } else { now });
        }
        self.sent
    }
}

/// What follows the parameters in each event of a session.
fn after(player: &Player, now: i64) -> Vec<u8> {
    let release = (now - FIRST_RELEASE - player.update_lag).max(0) / RELEASE_PERIOD;
    let release = u32::try_from(release).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(192);
    json::raw("},\"app_version\":\"", &mut out);
    json::integer(1 + release / 10, &mut out);
    json::raw(".", &mut out);
    json::integer(release % 10, &mut out);
    json::raw(".0\",\"platform\":", &mut out);
    json::text(if player.ios { "ios" } else { "android" }, &mut out);
    json::raw(",\"device_model\":", &mut out);
    json::text(player.device.0, &mut out);
    json::raw(",\"is_paying_user\":", &mut out);
    json::raw(if player.spends { "true" } else { "false" }, &mut out);
    json::raw(",\"installed_at\":", &mut out);
    json::moment(player.installed_at, &mut out);
    json::raw("}", &mut out);
    out
}

// `20_089` is the day that it is said to be.
const _: () = assert!(matches!(crate::calendar::date(day(FIRST_RELEASE)), (2025, 1, 1)));
