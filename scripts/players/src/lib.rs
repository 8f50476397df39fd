#![doc = include_str!("../README.md")]

mod arrivals;
mod batch;
mod calendar;
mod chance;
mod json;
mod levels;
mod population;
mod queue;
mod rubbish;
mod session;
mod tables;

use std::net::Ipv4Addr;

use fastrand::Rng;

use crate::{
    arrivals::Arrivals,
    calendar::{HOUR, MINUTE, SECOND},
    population::Population,
    queue::Queue,
    session::Course,
};

/// How the game is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// From where all chance comes. The same `Config` gives the same requests, byte for byte.
    pub seed: u64,
    /// Events sent per second, re-sent ones included: the mean over a day of simulated time.
    /// At least 0.001.
    pub events_per_second: f64,
    /// The first moment, in microseconds since 1970 UTC: the game is released, and no event is
    /// older. Another `start` gives other players, so that a second run repeats no id.
    pub start: i64,
}

/// One HTTP request of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When it is sent: microseconds since 1970 UTC, simulated time.
    pub at: i64,
    /// From where: an address that belongs to the player's country.
    pub address: Ipv4Addr,
    /// A JSON array, or NDJSON.
    pub body: Vec<u8>,
    /// Events in the array, or lines of the NDJSON.
    pub events: u32,
}

/// The players: an endless iterator of their requests, ordered by [`Request::at`].
#[derive(Debug)]
pub struct Players {
    rng: Rng,
    course: Course,
    arrivals: Arrivals,
    population: Population,
    queue: Queue,
    /// When the next session begins.
    arrival: i64,
}

/// Up to this many events per second sessions and delays take as long as in life. Above it all of
/// them shrink in proportion, so that what is under way, and with it the memory, stays bounded.
const LIFELIKE_EVENTS_PER_SECOND: f64 = 100.0;

/// Play begins this long before `start`, unseen: there the first players are amid their sessions.
const LEAD: i64 = 30 * MINUTE;

/// The share of requests whose answer got lost, so that the client sends them again.
const RESENT: f64 = 0.03;
/// How long a client waits before it sends again.
const RESEND_DELAY: (i64, i64) = (SECOND, HOUR);

impl Players {
    /// Players of a game that is released at `config.start`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let rate = config.events_per_second.max(0.001);
        let pace = (LIFELIKE_EVENTS_PER_SECOND / rate).min(1.0);
        let course = Course { pace, start: config.start };
        let opening = config.start.saturating_sub(course.shrink(LEAD));
        let mut rng = Rng::with_seed(chance::mix(config.seed, config.start));
        let mut arrivals = Arrivals::new(opening, rate * (1.0 - RESENT));
        let arrival = arrivals.next(&mut rng);
        let (population, queue) = (Population::default(), Queue::default());
        Self { rng, course, arrivals, population, queue, arrival }
    }

    /// A player begins a session: all its requests are known from then on.
    fn begin_session(&mut self) {
        let now = self.arrival;
        let index = self.population.next(now, self.course.start, &mut self.rng);
        let player = self.population.player(index);
        let (sent, events) = session::play(player, now, self.course, &mut self.rng);
        self.population.played(index, now.max(self.course.start), &mut self.rng);
        self.queue.extend(sent);
        self.arrivals.learn(events);
        self.arrival = self.arrivals.next(&mut self.rng);
    }
}

impl Iterator for Players {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let request = loop {
            // No request is sent before its session begins.
            match self.queue.pop(self.arrival) {
                Some(request) => break request,
                None => self.begin_session(),
            }
        };
        if chance::happens(RESENT, &mut self.rng) {
            let delay = chance::log_uniform(RESEND_DELAY, &mut self.rng);
            let at = request.at.saturating_add(self.course.shrink(delay));
            self.queue.extend([Request { at, ..request.clone() }]);
        }
        Some(request)
    }
}
