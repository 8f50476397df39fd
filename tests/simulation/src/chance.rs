//! Chance from a seed: the one source of everything that is not certain in a world.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A seed's chance. Clones draw from the same stream.
#[derive(Debug, Clone)]
pub struct Chance(Arc<Mutex<fastrand::Rng>>);

impl Chance {
    /// The chance of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A number of a range.
    #[must_use]
    pub fn number(&self, range: Range<u64>) -> u64 {
        self.draw(|rng| rng.u64(range))
    }

    /// `true` once in so many times.
    #[must_use]
    pub fn one_in(&self, times: u64) -> bool {
        self.number(0..times) == 0
    }

    /// A time of a range of milliseconds.
    #[must_use]
    pub fn time(&self, milliseconds: Range<u64>) -> Duration {
        Duration::from_micros(self.number(milliseconds.start * 1_000..milliseconds.end * 1_000))
    }

    /// Another order.
    pub fn shuffle<T>(&self, list: &mut [T]) {
        self.draw(|rng| rng.shuffle(list));
    }

    fn draw<T>(&self, from: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        from(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
