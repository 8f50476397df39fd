//! The life of one process: it runs, it is stopped, it ends at any moment.

use std::sync::Arc;

use crate::switch::Switch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// SIGSTOP: what it does next, it does when it is woken.
    Stopped,
    /// kill -9: it does nothing any more.
    Ended,
}

/// The life of one process. Everything that it does to the world passes here, so that a kill cuts
/// it off at any step: before it has done something, or after, but before it knows.
#[derive(Debug)]
pub struct Life(Switch<State>);

impl Life {
    /// A process that runs.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Switch::new(State::Running)))
    }

    /// Goes on if the process runs, waits while it is stopped, and never comes back if it ended.
    pub async fn pass(&self) {
        self.0.until(|state| state == State::Running).await;
    }

    /// Ends when the process has.
    pub async fn ended(&self) {
        self.0.until(|state| state == State::Ended).await;
    }

    /// kill -9.
    pub fn end(&self) {
        self.0.set(State::Ended);
    }

    /// SIGSTOP.
    pub fn stop(&self) {
        self.turn(State::Running, State::Stopped);
    }

    /// SIGCONT.
    pub fn wake(&self) {
        self.turn(State::Stopped, State::Running);
    }

    fn turn(&self, from: State, to: State) {
        if self.0.get() == from {
            self.0.set(to);
        }
    }

    /// It neither ended nor is it stopped.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.0.get() == State::Running
    }

    /// It ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.get() == State::Ended
    }
}
