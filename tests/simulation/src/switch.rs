//! A value that tasks wait for, and that wakes them in the order in which they came: tokio's own
//! watch wakes them in a random one, and a seed would be more than one run.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// A value that can be waited for.
#[derive(Debug)]
pub struct Switch<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Copy> Switch<T> {
    /// A value to begin with.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// The value now.
    pub fn get(&self) -> T {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another value.
    pub fn set(&self, value: T) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value;
        self.changed.notify_waiters();
    }

    /// Waits until the value is as it is to be.
    pub async fn until(&self, wanted: impl Fn(T) -> bool) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if wanted(self.get()) {
                return;
            }
            changed.await;
        }
    }
}
