//! The three topics: one definition for every log.

use std::time::Duration;

/// A topic of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// As received.
    Raw,
    /// Accepted events as JSON, on their raw record's partition.
    Enriched,
    /// Dead letters.
    Dlq,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Topic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Enriched, Self::Dlq];

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "game-events-raw",
            Self::Enriched => "game-events-enriched",
            Self::Dlq => "game-events-dlq",
        }
    }

    /// Number of partitions.
    #[must_use]
    pub const fn partitions(self) -> u32 {
        match self {
            Self::Raw | Self::Enriched => 64,
            Self::Dlq => 8,
        }
    }

    /// How long a record is kept.
    #[must_use]
    pub const fn retention(self) -> Duration {
        match self {
            Self::Raw => DAY.saturating_mul(7),
            Self::Enriched => DAY.saturating_mul(3),
            Self::Dlq => DAY.saturating_mul(30),
        }
    }
}
