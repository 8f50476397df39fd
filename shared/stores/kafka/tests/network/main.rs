//! What stands between a broker and its clients: together, as both mostly wait.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod expelled;
mod starting;
