//! The texts of a day: tables with a query, and checks. An adapter runs them, or what is derived from
//! them for its engine.

use sha2::{Digest as _, Sha256};

/// A check of `sql/*/checks/`.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Table and file.
    pub name: &'static str,
    /// BigQuery's text, whose first line is its severity.
    pub text: &'static str,
}

/// What a failed check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It stops export and training.
    Fail,
    /// It is shown.
    Warn,
}

impl Severity {
    /// As the table writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Warn => "warn",
        }
    }
}

impl Check {
    /// What it means if it fails.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.text.starts_with("-- warn\n") { Severity::Warn } else { Severity::Fail }
    }
}

macro_rules! checks {
    ($($table:literal / $check:literal),+ $(,)?) => {
        &[$(Check {
            name: concat!($table, "/", $check),
            text: include_str!(concat!("../../../../sql/", $table, "/checks/", $check, ".sql")),
        }),+]
    };
}

/// All of them.
pub const CHECKS: &[Check] = checks![
    "day_rows" / "data_present",
    "day_rows" / "level_present",
    "day_rows" / "completion_nulls",
    "level_metrics" / "pass_rate",
    "events_1min_closed" / "event_count",
    "events_1min_closed" / "event_count_so_far",
    "events_1min_closed" / "event_type_drop",
];

macro_rules! tables {
    ($($table:ident = $name:literal by $days:literal,)+) => {
        /// A table of which a run replaces a day.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Table {
            $(#[doc = concat!("`", $name, "`")] $table,)+
        }

        impl Table {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$table,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$table => $name,)+ }
            }

            /// Which of its rows are the day's, in BigQuery's words.
            #[must_use]
            pub const fn days(self) -> &'static str {
                match self { $(Self::$table => $days,)+ }
            }

            /// Its columns, in their order: each has a line of its own.
            pub fn columns(self) -> impl Iterator<Item = &'static str> {
                let definition = match self {
                    $(Self::$table =>
                        include_str!(concat!("../../../../sql/", $name, "/definition.sql")),)+
                };
                let lines = definition.lines().skip_while(|line| !line.starts_with("CREATE"));
                let columns = lines.skip(1).take_while(|line| !line.starts_with(')'));
                columns.filter_map(|line| line.split_whitespace().next())
            }

            /// The rows of the day, in BigQuery's words.
            #[must_use]
            pub const fn query(self) -> &'static str {
                match self {
                    $(Self::$table =>
                        include_str!(concat!("../../../../sql/", $name, "/query.sql")),)+
                }
            }
        }
    };
}

tables! {
    CrossDayDuplicates = "cross_day_duplicates" by "run_date = @date",
    DayRows = "day_rows" by "event_date = @date",
    Events1minClosed = "events_1min_closed" by "DATE(window_start) = @date",
    LedgerDays = "ledger_days" by "received_date = @date",
    LevelMetrics = "level_metrics" by "event_date = @date",
    Purchases = "purchases" by "event_date = @date",
    PurchasesCounted = "purchases_counted" by "event_date = @date",
    RetentionDaily = "retention_daily" by "event_date >= @date",
    RevenueDailyMetrics = "revenue_daily_metrics" by "event_date = @date",
    UserDailyMetrics = "user_daily_metrics" by "event_date = @date",
}

impl Table {
    /// The table that is replaced before it, in the same transaction: an id that came between the two
    /// under another date would be counted under both.
    #[must_use]
    pub const fn first(self) -> Option<Self> {
        match self {
            Self::DayRows => Some(Self::CrossDayDuplicates),
            _ => None,
        }
    }
}

/// SHA-256 of the texts that features come from: other texts, other features.
#[must_use]
pub fn query_version() -> String {
    let texts = [
        Table::CrossDayDuplicates.query(),
        Table::DayRows.query(),
        Table::LevelMetrics.query(),
        include_str!("../../../../sql/level_features/definition.sql"),
        include_str!("../../../../sql/level_features/export.sql"),
    ];
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// The files of `sql/*/FOLDER` that are BigQuery's, as `table/name`.
    fn texts(folder: &str, named: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql");
        let mut found = BTreeSet::new();
        for table in fs::read_dir(sql).unwrap().map(|entry| entry.unwrap()) {
            let name = table.file_name().into_string().unwrap();
            let Ok(files) = fs::read_dir(table.path().join(folder)) else { continue };
            for file in files.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
                if let Some(stem) = file.strip_suffix(".sql")
                    && named(stem)
                {
                    found.insert(format!("{name}/{stem}"));
                }
            }
        }
        found
    }

    #[test]
    fn every_check_is_run_and_says_what_its_failure_means() {
        let known: BTreeSet<_> = CHECKS.iter().map(|check| check.name.to_owned()).collect();
        assert_eq!(known, texts("checks", |stem| !stem.ends_with(".duckdb")));
        for check in CHECKS {
            let first = check.text.lines().next().unwrap();
            assert_eq!(first, format!("-- {}", check.severity().as_str()), "{}", check.name);
        }
    }

    #[test]
    fn columns_are_those_of_the_table() {
        let made = include_str!("../../../../terraform/tables.json");
        let made: serde_json::Value = serde_json::from_str(made).unwrap();
        for table in Table::ALL {
            let schema = made["tables"][table.name()]["schema"].as_array().unwrap();
            let names: Vec<_> =
                schema.iter().map(|column| column["name"].as_str().unwrap()).collect();
            assert_eq!(table.columns().collect::<Vec<_>>(), names, "{}", table.name());
        }
    }

    #[test]
    fn every_query_of_a_day_is_run() {
        let mut known: BTreeSet<_> =
            Table::ALL.iter().map(|table| format!("{}/query", table.name())).collect();
        // Asked between runs.
        known.insert("touched_days/query".to_owned());
        assert_eq!(known, texts(".", |stem| stem == "query"));
    }
}
