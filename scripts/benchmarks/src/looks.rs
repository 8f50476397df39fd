//! What an open page asks, as its modules have it: the question, its range, and every how many seconds.

use questline_events::time;

const DAY: i64 = 86_400 * 1_000_000;

/// One question of the page.
pub(crate) struct Look {
    pub(crate) name: &'static str,
    days: i64,
    more: &'static [(&'static str, &'static str)],
    /// Seconds between two looks; a page asks once what has none.
    pub(crate) every: Option<u64>,
}

const fn look(
    name: &'static str,
    days: i64,
    more: &'static [(&'static str, &'static str)],
    every: u64,
) -> Look {
    Look { name, days, more, every: if every == 0 { None } else { Some(every) } }
}

/// With everything in sight, and two weeks: more than a screen holds.
pub(crate) const OPEN: &[Look] = &[
    look("ledger_minutes/by_bucket", 14, &[("bucket_seconds", "3600")], 10),
    look("ledger_residue/by_bucket", 14, &[("bucket_seconds", "10800")], 10),
    look("events_1min/by_type", 14, &[("bucket_seconds", "3600")], 5),
    look("level_metrics/levels", 14, &[("most", "1000")], 30),
    look("user_daily_metrics/days", 14, &[], 30),
    look("revenue_daily_metrics/days", 14, &[], 30),
    look("events_dlq/by_reason", 14, &[], 10),
    look("events_dlq/samples", 14, &[("most", "8")], 10),
    look("pipeline_runs/steps", 14, &[("most", "1000")], 15),
    look("quality_results/broken", 14, &[("most", "100")], 15),
    // Of these alerts and tiles are told, whatever is in sight.
    look("ledger_minutes/by_bucket", 1, &[("bucket_seconds", "3600")], 20),
    look("ledger_minutes/by_bucket", 1, &[("bucket_seconds", "60")], 20),
    look("ledger_residue/by_bucket", 1, &[("bucket_seconds", "900")], 20),
    look("pipeline_runs/steps", 8, &[("most", "1000")], 20),
    look("quality_results/broken", 8, &[("most", "1000")], 20),
    look("ledger/apps", 0, &[("most", "1000")], 60),
    look("events/cells", 14, &[("most", "1000")], 60),
];

/// What it asks besides where somebody has set a filter, or opened the event browser.
pub(crate) const FILTERED: &[Look] = &[
    look("revenue_daily_metrics/days", 14, &[("platform", "ios"), ("country", "DE")], 0),
    look("level_metrics/levels", 14, &[("app_id", "bench"), ("most", "1000")], 0),
    look("user_daily_metrics/days", 14, &[("app_id", "bench")], 0),
    look("events_1min/by_type", 14, &[("app_id", "bench"), ("bucket_seconds", "3600")], 0),
    look("events/recent", 14, &[("most", "200")], 0),
    look("events/recent", 14, &[("user_id", "player-7"), ("most", "200")], 0),
    look("events/recent", 14, &[("app_version", "none"), ("most", "200")], 0),
    look("events/recent", 14, &[("verdict", "missing_field"), ("most", "200")], 0),
];

impl Look {
    /// Its parameters at a moment.
    pub(crate) fn given(&self, now: i64) -> Vec<(&'static str, String)> {
        let mut given: Vec<_> =
            self.more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if self.days > 0 {
            given.push(("from_time", time::text(now - self.days * DAY)));
            given.push(("to_time", time::text(now)));
        }
        given
    }

    /// A page's `to` is a whole number of these seconds, so that many who look ask the same.
    pub(crate) fn round(&self) -> i64 {
        if self.every == Some(30) { 30 } else { 10 }
    }

    /// What it is called in a report.
    pub(crate) fn told(&self) -> String {
        let more: Vec<_> =
            self.more.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} of {} days {}", self.name, self.days, more.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use questline_stores::saved;

    use super::*;

    #[test]
    fn what_the_page_asks_is_asked_here_and_nothing_else() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/dashboard/page");
        let files = fs::read_dir(page).unwrap().map(|file| file.unwrap().path());
        let modules = files.filter(|path| path.extension().is_some_and(|name| name == "js"));
        let page: String = modules.map(|path| fs::read_to_string(path).unwrap()).collect();
        let names = saved::ALL.iter().map(|saved| saved.name);
        let asked: BTreeSet<_> =
            names.filter(|name| page.contains(&format!("\"{name}\""))).collect();
        let looks: BTreeSet<_> = OPEN.iter().chain(FILTERED).map(|look| look.name).collect();
        assert_eq!(looks, asked, "what is asked here, and by the page's modules");
    }
}
