//! The terms of training and its places, as the environment has them.

use anyhow::ensure;
use questline_runtime::config::{ConfigError, Env};

use crate::Terms;

/// Where everything lies, each as its kind and its place.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// Features of each day.
    pub features: (&'a str, &'a str),
    /// Manifests, models, and what a job's steps hand on.
    pub root: (&'a str, &'a str),
    /// Who carries jobs out.
    pub trainer: (&'a str, &'a str),
    /// Who a job works as.
    pub account: &'a str,
    /// From where messages are pulled; none if they are pushed.
    pub messages: Option<(&'a str, &'a str)>,
}

impl<'a> Places<'a> {
    /// Reads the variables that the README lists.
    ///
    /// # Errors
    /// If one of them is not set, or of another form.
    pub fn read(env: &'a Env) -> Result<Self, ConfigError> {
        const FILES: &str = "gs://BUCKET/FOLDER or file:DIRECTORY";
        const TRAINER: &str = "vertex:projects/PROJECT/locations/REGION";
        const MESSAGES: &str = "pubsub:projects/PROJECT/subscriptions/SUBSCRIPTION";
        let messages = env
            .get("QUESTLINE_METRICS_READY")
            .map(|_| env.location("QUESTLINE_METRICS_READY", MESSAGES, &["pubsub"]));
        Ok(Self {
            features: env.location("QUESTLINE_FEATURES", FILES, &["gs", "file"])?,
            root: env.location("QUESTLINE_TRAINING_ROOT", FILES, &["gs", "file"])?,
            trainer: env.location("QUESTLINE_TRAINING", TRAINER, &["vertex"])?,
            account: env.required("QUESTLINE_TRAINING_ACCOUNT", "who training jobs work as")?,
            messages: messages.transpose()?,
        })
    }
}

impl Terms {
    /// Reads `QUESTLINE_TRAINING_WEEKDAY`, `…_LOOKBACK_DAYS` and `…_SHARE`.
    ///
    /// # Errors
    /// If one of them is of another form.
    pub fn read(env: &Env) -> anyhow::Result<Self> {
        let default = Self::default();
        let weekday = ("QUESTLINE_TRAINING_WEEKDAY", "a day of the week, sunday");
        let lookback = ("QUESTLINE_TRAINING_LOOKBACK_DAYS", "days to train on, 1 to 365");
        let share = ("QUESTLINE_TRAINING_SHARE", "the share of them that is needed, 0 to 1");
        let terms = Self {
            weekday: env.parsed(weekday.0, weekday.1, default.weekday)?,
            lookback_days: env.parsed(lookback.0, lookback.1, default.lookback_days)?,
            share: env.parsed(share.0, share.1, default.share)?,
            ..default
        };
        ensure!((1..=365).contains(&terms.lookback_days), "{} is to be {}", lookback.0, lookback.1);
        ensure!((0.0..=1.0).contains(&terms.share), "{} is to be {}", share.0, share.1);
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Weekday;

    use super::*;

    #[test]
    fn terms_are_read_or_refused_by_name() {
        assert_eq!(Terms::read(&Env::of([])).unwrap(), Terms::default());
        let monday = Env::of([("QUESTLINE_TRAINING_WEEKDAY", "monday")]);
        assert_eq!(Terms::read(&monday).unwrap().weekday, Weekday::Mon);
        for (name, value) in [
            ("QUESTLINE_TRAINING_WEEKDAY", "someday"),
            ("QUESTLINE_TRAINING_LOOKBACK_DAYS", "0"),
            ("QUESTLINE_TRAINING_LOOKBACK_DAYS", "400"),
            ("QUESTLINE_TRAINING_SHARE", "80"),
            ("QUESTLINE_TRAINING_SHARE", "NaN"),
        ] {
            let said = Terms::read(&Env::of([(name, value)])).unwrap_err().to_string();
            assert!(said.contains(name), "{said}");
        }
    }
}
