//! What a run did, or would do.

use serde::{Deserialize, Serialize};

use crate::request::Resume;

/// The report of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The run, as headers, ledger and `events_reprocessed` name it.
    pub run: String,
    /// Nothing was brought back.
    pub dry_run: bool,
    /// Letters of the selection that waited when this call began.
    pub waiting: u64,
    /// Letters looked at by this call.
    pub looked_at: u64,
    /// Letters that the raw topic has acknowledged.
    pub brought_back: u64,
    /// On a dry run: letters that would pass.
    pub would_pass: u64,
    /// Letters that would not pass; they wait on. A real run tells only those that can never pass.
    pub still_fail: Vec<Still>,
    /// Letters to which a fix cannot be made; they wait on.
    pub unfixable: Vec<Still>,
    /// Letters that were brought back too often; they are kept.
    pub parked: u64,
    /// Letters that the log did not acknowledge: they wait on, or are there after all.
    pub not_stored: u64,
    /// Something is left: the next call's `resume`.
    pub resume: Option<Resume>,
}

/// Letters that have one fault in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    /// The entry of the closed list, or what stands against a fix.
    pub why: String,
    /// The member at fault.
    pub detail: String,
    /// How many.
    pub letters: u64,
    /// One of them.
    pub sample: String,
}

impl Report {
    /// Adds what another call of the same run did.
    pub fn add(&mut self, next: Self) {
        self.looked_at += next.looked_at;
        self.brought_back += next.brought_back;
        self.would_pass += next.would_pass;
        self.parked += next.parked;
        self.not_stored += next.not_stored;
        let lists =
            [(&mut self.still_fail, next.still_fail), (&mut self.unfixable, next.unfixable)];
        for (list, told) in lists {
            for still in told {
                tell(list, &still.why, &still.detail, still.letters, &still.sample);
            }
        }
        self.resume = next.resume;
    }
}

/// Faults that a report tells apart; what is beyond is told as one.
const FAULTS: usize = 100;

pub(crate) fn tell(list: &mut Vec<Still>, why: &str, detail: &str, letters: u64, sample: &str) {
    let (why, detail) = if list.len() < FAULTS { (why, detail) } else { ("other", "") };
    match list.iter_mut().find(|still| still.why == why && still.detail == detail) {
        Some(still) => still.letters += letters,
        None => {
            let (why, detail, sample) = (why.to_owned(), detail.to_owned(), sample.to_owned());
            list.push(Still { why, detail, letters, sample });
        }
    }
}
