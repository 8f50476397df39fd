//! Time and chance: the one place that asks what time it is, and draws a name that is nobody else's.

use std::{sync::Arc, time::SystemTime};

use uuid::Uuid;

/// Time and chance as an argument: the machine's, or a simulation's.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970.
    fn now_micros(&self) -> i64;

    /// An id that nobody else has; later ones sort after earlier ones.
    fn unique_id(&self) -> Uuid;
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock, to be shared.
    #[must_use]
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    fn now_micros(&self) -> i64 {
        now_micros()
    }

    fn unique_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Microseconds since 1970, for whoever has no clock of its own to ask.
#[must_use]
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
