//! What a world has in common: its time, its chance, what is down, and what has happened.

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use questline_runtime::clock::Clock;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{chance::Chance, plant::Plant, switch::Switch};

/// When every world begins: 2026-11-23T12:00:30Z, in microseconds since 1970.
const BEGINNING: i64 = 1_795_435_230_000_000;

/// One world.
pub struct World {
    /// Everything that is not certain.
    pub chance: Chance,
    /// The bug that is planted, if one is.
    pub plant: Option<Plant>,
    /// Rows are appended to streams of tables; a batch is no transaction.
    pub streams: bool,
    /// The log can be reached.
    pub log_up: Switch<bool>,
    /// The warehouse can be reached.
    pub warehouse_up: Switch<bool>,
    began: Instant,
    calm: AtomicBool,
    trace: Mutex<Trace>,
}

/// What happened, as one number: two runs of one seed have the same.
struct Trace {
    hasher: DefaultHasher,
    shown: bool,
}

impl World {
    /// The world of a seed. `shown`: what happens is printed.
    #[must_use]
    pub fn new(seed: u64, plant: Option<Plant>, shown: bool) -> Arc<Self> {
        let chance = Chance::of(seed);
        Arc::new(Self {
            streams: chance.one_in(2),
            chance,
            plant,
            log_up: Switch::new(true),
            warehouse_up: Switch::new(true),
            began: Instant::now(),
            calm: AtomicBool::new(false),
            trace: Mutex::new(Trace { hasher: DefaultHasher::new(), shown }),
        })
    }

    /// From now on nothing fails any more.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::SeqCst);
        self.log_up.set(true);
        self.warehouse_up.set(true);
    }

    /// Whether nothing fails any more.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// Whether something fails that fails once in so many times.
    #[must_use]
    pub fn fails(&self, times: u64) -> bool {
        self.chance.one_in(times) && !self.is_calm()
    }

    /// Whether this bug is planted.
    #[must_use]
    pub fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// Lets some milliseconds pass; now and then, much more.
    pub async fn pass(&self, milliseconds: Range<u64>) {
        let slow = self.fails(60);
        let time = self.chance.time(milliseconds);
        tokio::time::sleep(if slow { time * 200 } else { time }).await;
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn now_micros(&self) -> i64 {
        BEGINNING + i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// Takes note of what happened.
    #[expect(clippy::print_stdout, reason = "whoever asks for one seed's story is told it")]
    pub fn note(&self, what: &str, numbers: &[i64]) {
        let elapsed = self.began.elapsed();
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        (elapsed, what, numbers).hash(&mut trace.hasher);
        if trace.shown {
            println!("{:>10.3} {what} {numbers:?}", elapsed.as_secs_f64());
        }
    }

    /// Everything that has happened, as one number.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).hasher.finish()
    }

    /// Waits until something can be reached; `false` if the time is up first.
    pub async fn reaches(&self, what: &Switch<bool>, patience: Duration) -> bool {
        tokio::time::timeout(patience, what.until(|up| up)).await.is_ok()
    }
}

/// The clock of one process, which may jump.
pub struct SimClock {
    world: Arc<World>,
    /// Microseconds ahead of the world.
    skew: AtomicI64,
}

impl SimClock {
    /// A clock that goes right.
    #[must_use]
    pub fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { world: world.clone(), skew: AtomicI64::new(0) })
    }

    /// Jumps ahead, or back.
    pub fn jump(&self, micros: i64) {
        self.skew.fetch_add(micros, Ordering::SeqCst);
        self.world.note("a clock jumps", &[micros]);
    }
}

impl Clock for SimClock {
    fn now_micros(&self) -> i64 {
        self.world.now_micros() + self.skew.load(Ordering::SeqCst)
    }

    fn unique_id(&self) -> Uuid {
        let high = self.world.now_micros().unsigned_abs();
        Uuid::from_u64_pair(high, self.world.chance.number(0..u64::MAX))
    }
}
