//! Every metric of the system: the one list of names, with meaning, unit and labels.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, text::encode},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// One label, named for what it tells.
macro_rules! label {
    ($($(#[$doc:meta])* $name:ident { $label:ident })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name {
            /// The label's value.
            pub $label: String,
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                Self { $label: value.to_owned() }
            }
        }
    )+};
}

label! {
    /// By HTTP status.
    Status { status }
    /// By what became of it.
    Outcome { outcome }
    /// By entry of the closed list of reasons.
    Reason { reason }
    /// By what was odd.
    Oddity { oddity }
    /// By app.
    App { app }
    /// By hop of the ledger.
    Hop { hop }
    /// By part of the work.
    Phase { phase }
}

macro_rules! metrics {
    ($($(#[$doc:literal])+ $name:ident: $kind:ty, $text:literal $(, $unit:ident)?;)+) => {
        /// All metrics of a process. A function counts those that it has.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $text] pub $name: $kind,)+
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::with_prefix("questline");
                $(
                    let $name = <$kind as Make>::make();
                    metrics!(@register registry $name $text $($unit)?);
                )+
                Self { registry, $($name,)+ }
            }
        }

        /// Names of all metrics as Prometheus shows them, less the prefix and suffixes.
        pub const NAMES: &[&str] = &[$(stringify!($name),)+];
    };
    (@register $registry:ident $name:ident $text:literal) => {
        $registry.register(stringify!($name), $text, $name.clone());
    };
    (@register $registry:ident $name:ident $text:literal $unit:ident) => {
        $registry.register_with_unit(stringify!($name), $text, Unit::$unit, $name.clone());
    };
}

trait Make {
    fn make() -> Self;
}

impl Make for Counter {
    fn make() -> Self {
        Self::default()
    }
}

impl Make for Gauge {
    fn make() -> Self {
        Self::default()
    }
}

impl Make for Moment {
    fn make() -> Self {
        Self::default()
    }
}

impl<L: Clone + std::hash::Hash + Eq> Make for Family<L, Counter> {
    fn make() -> Self {
        Self::default()
    }
}

impl<L: Clone + std::hash::Hash + Eq> Make for Family<L, Gauge> {
    fn make() -> Self {
        Self::default()
    }
}

impl Make for Seconds {
    fn make() -> Self {
        Self::new_with_constructor(histogram)
    }
}

/// A point in time, in seconds, that is shown once somebody has told it: by a process that never
/// does, and before the first night, 0 would be read as 1970.
#[derive(Debug, Clone, Default)]
pub struct Moment(Gauge<i64>);

impl Moment {
    /// Tells it.
    pub fn set(&self, seconds: i64) {
        self.0.set(seconds);
    }

    /// What was told last; 0 before.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.get()
    }
}

impl EncodeMetric for Moment {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        if self.get() == 0 { Ok(()) } else { self.0.encode(encoder) }
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}

/// Durations, by part of the work.
pub type Seconds = Family<Phase, Histogram, fn() -> Histogram>;

fn histogram() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

metrics! {
    #["ingest"] ingest_requests: Family<Status, Counter>, "Requests answered";
    #["ingest"] ingest_events: Family<Outcome, Counter>, "Events: stored, rejected, deferred, and the late, failed and unknown of the deferred";
    #["ingest"] ingest_rejected: Family<Reason, Counter>, "Events not kept";
    #["ingest"] ingest_duration: Seconds, "From the request's head to the answer (request), and waiting for the log (append)", Seconds;
    #["process"] process_records: Family<Outcome, Counter>, "Records read: accepted, duplicate, dead_lettered";
    #["process"] process_dead_letters: Family<Reason, Counter>, "Dead letters";
    #["process"] process_held_letters: Counter, "Dead letters written while the brake was pulled";
    #["process"] process_brake: Family<App, Gauge>, "1 while an app's brake is pulled";
    #["process"] process_oddities: Family<Oddity, Counter>, "Odd things in accepted events: wrong_type, unusable_metric, unregistered, lookup_failed";
    #["process"] process_lag: Gauge, "Records of the raw topic not committed yet";
    #["process"] process_lag_growth: Gauge, "Records a second by which the lag grew over the last minute";
    #["process"] process_expired: Counter, "Records that expired before they were read";
    #["process"] process_window: Gauge, "Identities in the deduplication window";
    #["process"] process_window_evicted_early: Counter, "Identities that left the window before their time";
    #["process"] process_retries: Counter, "Attempts at the warehouse or the log that failed and were made again";
    #["process"] process_duration: Seconds, "Time of one batch: judge, write, commit", Seconds;
    #["process"] process_working: Gauge, "1 while processing runs";
    #["daily-aggregate"] daily_closed_through: Moment, "Unix time of the end of the last day whose run succeeded, checks included", Seconds;
    #["daily-aggregate"] daily_fresh_through: Moment, "Unix time up to which every change of a day is in its metrics", Seconds;
    #["ml-trigger"] daily_trained_through: Moment, "Unix time of the end of the last day for which a training job was started", Seconds;
    #["process"] ledger_closed_through: Moment, "Unix time of the last closed minute", Seconds;
    #["process"] ledger_residue: Family<Hop, Gauge>, "Events missing in closed minutes of the last 7 days; below 0 there are too many";
}

impl Metrics {
    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        _ = encode(&mut text, &self.registry);
        text
    }
}

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A counter's value, for figures shown to people.
#[must_use]
pub fn total(counter: &Counter<u64, AtomicU64>) -> u64 {
    counter.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_nobody_has_told_is_not_shown() {
        let metrics = Metrics::default();
        let shown = |name: &str| metrics.text().lines().any(|line| line.starts_with(name));
        let moments: Vec<_> = NAMES.iter().filter(|name| name.ends_with("_through")).collect();
        assert_eq!(moments.len(), 4);
        for name in moments {
            assert!(!shown(&format!("questline_{name}")), "{name}");
        }
        metrics.daily_closed_through.set(86_400);
        assert!(shown("questline_daily_closed_through_seconds 86400"));
        assert!(!shown("questline_daily_fresh_through"));
    }
}
