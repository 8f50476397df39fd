//! `questline ledger`: the residue by hop and minute.

use std::time::Duration;

use anyhow::Context as _;
use questline_client::{Operator, Place};

use crate::{
    arguments::{Format, Ledger},
    query::ask,
    show,
};

/// Every hop, with how many of its minutes are open, proved or unproved, and what is missing.
const SUMMARY: &str = include_str!("../../../sql/ledger_residue/by_hop.sql");
/// The minutes that a person should look at: however many are unproved, what is missing comes first.
const SUSPECTS: &str = include_str!("../../../sql/ledger_residue/suspects.sql");

/// `true` if nothing is missing.
pub(crate) async fn run(place: &Place, ledger: &Ledger) -> anyhow::Result<bool> {
    if ledger.wait {
        let operator =
            Operator::of(place)?.context("no stack runs there: start scripts/run-local")?;
        let settled = operator.settle(Duration::from_secs(ledger.deadline)).await?;
        anyhow::ensure!(settled, "not everything was processed within {} s", ledger.deadline);
    }
    let suspects = ask(place, SUSPECTS).await?;
    show::answer(&ask(place, SUMMARY).await?, Format::Table)?;
    let missing = |row: &Vec<serde_json::Value>| row.last().is_some_and(|residue| *residue != 0);
    let lost = suspects.rows.iter().any(missing);
    if suspects.rows.is_empty() {
        show::line("Nothing is missing, and nothing is unproved.")?;
    } else {
        show::answer(&suspects, Format::Table)?;
        show::line(if lost {
            "Something is missing: the residue names its hop and minute."
        } else {
            "Nothing is missing in what is proved. Unproved minutes are those in which an instance of ingest was killed: what it acknowledged was read, but nobody wrote down how much that was."
        })?;
    }
    Ok(!lost)
}
