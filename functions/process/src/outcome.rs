//! How attempts of the loop end.

use questline_events::batch::Totals;
use questline_stores::{NewRecord, Topic, warehouse::Rows};

/// Why an attempt is not made again.
pub(crate) enum Ended {
    /// The process is asked to stop.
    Stopped,
    /// No attempt will ever succeed.
    Fatal(anyhow::Error),
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::Fatal(error)
    }
}

/// How far a batch came.
#[derive(PartialEq, Eq)]
pub(crate) enum Done {
    Committed,
    /// The log did not take it, and assigns the partitions again.
    Lost,
    /// The warehouse takes only less at a time.
    TooLarge,
}

/// What a batch came to.
pub(crate) struct Judged {
    pub(crate) rows: Rows,
    /// The record of each row of events.
    pub(crate) row_records: Vec<usize>,
    pub(crate) produced: Vec<(Topic, NewRecord)>,
    pub(crate) totals: Totals,
}

/// How a write ended without having been made.
pub(crate) enum Written {
    Refused(Vec<usize>),
    Fenced,
    Ended(Ended),
}

impl From<Ended> for Written {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Written> for Ended {
    fn from(written: Written) -> Self {
        match written {
            Written::Ended(ended) => ended,
            Written::Refused(_) | Written::Fenced => {
                Self::Fatal(anyhow::anyhow!("the warehouse refuses our own rows"))
            }
        }
    }
}
