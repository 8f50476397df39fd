//! Bugs that can be planted, each of which the checks must find.

use clap::ValueEnum;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    /// Offsets are committed before the rows are durable.
    OffsetsBeforeRows,
    /// The warehouse writes from wherever a writer believes it to be.
    NoFence,
    /// After an assignment the window is rebuilt from what was sent, not from what was accepted.
    WindowFromRaw,
    /// What the tables hold of a batch that a crash left behind is not asked for.
    NothingSettled,
    /// Streams are appended to that the log does not name.
    UnnamedStream,
    /// What a transaction produces is seen even if it is not committed.
    ReadUncommitted,
    /// A record is acknowledged before it is durable.
    AnsweredFromMemory,
    /// The log loses a record that it has acknowledged.
    LostRecord,
}
