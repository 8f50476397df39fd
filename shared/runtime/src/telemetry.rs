//! Structured logs.

use std::io::IsTerminal as _;

use once_cell::sync::OnceCell;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt};

static STARTED: OnceCell<()> = OnceCell::new();

/// Starts logging on standard error: lines for a person at a terminal, JSON for a machine. A
/// second call does nothing.
///
/// Never logged: query strings, write keys, addresses of players, bodies.
pub fn start(default_level: LevelFilter) {
    STARTED.get_or_init(|| {
        let filter = EnvFilter::builder().with_default_directive(default_level.into());
        let filter = filter.from_env_lossy();
        let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // Somebody else's subscriber, in a test, may be there first.
        _ = if std::io::stderr().is_terminal() {
            builder.compact().try_init()
        } else {
            builder.json().flatten_event(true).try_init()
        };
    });
}
