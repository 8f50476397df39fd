//! Metrics on AWS Lambda, which nobody can scrape: what `/metrics` would show, as lines of the log in
//! CloudWatch's embedded metric format. CloudWatch makes metrics of them, in the namespace
//! `Questline`, under the names that Prometheus knows.
//!
//! A counter is told as what was added since the line before, so that the sum over all instances is
//! right; of a histogram there are its `_sum` and `_count`, told likewise. A label of theirs goes into the
//! name, `…_total.stored`; a gauge has one name and a value for each label. What is 0 and was 0 is not
//! told.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use crate::{clock::now_micros, metrics::Metrics};

/// Between two lines of an instance.
const PERIOD: Duration = Duration::from_secs(10);
/// Values that a metric may have in one line.
const VALUES: usize = 100;

/// Tells the metrics of a process.
pub(crate) struct Embedded {
    metrics: Arc<Metrics>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    at: Option<Instant>,
    values: HashMap<String, f64>,
}

impl Embedded {
    pub(crate) fn of(metrics: Arc<Metrics>) -> Self {
        Self { metrics, told: Mutex::default() }
    }

    /// Prints a line, if there is something to tell and the last one is a while ago.
    pub(crate) fn tell(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| at.elapsed() < PERIOD) {
            return;
        }
        let text = self.metrics.text();
        if let Some(line) = line(&text, &mut told.values, now_micros() / 1_000) {
            told.at = Some(Instant::now());
            // Without a standard output there is nobody to be told.
            _ = writeln!(std::io::stdout(), "{line}");
        }
    }
}

/// What is new in the text that Prometheus would read, if anything is.
fn line(text: &str, told: &mut HashMap<String, f64>, now_ms: i64) -> Option<Value> {
    let mut members = Map::new();
    let mut gauges = BTreeMap::<&str, Vec<f64>>::new();
    let mut is_gauge = false;
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            is_gauge = declared.ends_with(" gauge");
        }
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let Ok(value) = value.parse::<f64>() else { continue };
        if line.starts_with('#') || name.ends_with("_bucket") {
            continue;
        }
        if is_gauge {
            gauges.entry(name).or_default().push(value);
            continue;
        }
        let label = labels.split('"').nth(1).map(|label| format!(".{label}"));
        let name = format!("{name}{}", label.unwrap_or_default());
        let before = told.insert(name.clone(), value).unwrap_or_default();
        if value > before {
            members.insert(name, json!(value - before));
        }
    }
    for (name, mut values) in gauges {
        // What stands out is told, however many there are.
        values.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
        values.truncate(VALUES);
        let size = values.iter().map(|value| value.abs()).sum::<f64>();
        if told.insert(name.to_owned(), size).unwrap_or_default() > 0.0 || size > 0.0 {
            members.insert(name.to_owned(), json!(values));
        }
    }
    let metrics: Vec<_> = members.keys().map(|name| json!({ "Name": name })).collect();
    if metrics.is_empty() {
        return None;
    }
    let told = json!({ "Namespace": "Questline", "Dimensions": [[]], "Metrics": metrics });
    let aws = json!({ "Timestamp": now_ms, "CloudWatchMetrics": [told] });
    members.insert("_aws".to_owned(), aws);
    Some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members of the next line, less what says how to read them.
    fn next(metrics: &Metrics, told: &mut HashMap<String, f64>) -> Option<Value> {
        let mut line = line(&metrics.text(), told, 1_795_392_000_000)?;
        let members = line.as_object_mut().unwrap();
        let aws = members.remove("_aws").unwrap();
        assert_eq!(aws["Timestamp"], 1_795_392_000_000_i64);
        let directive = &aws["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Questline");
        assert_eq!(directive["Dimensions"], json!([[]]));
        let named = directive["Metrics"].as_array().unwrap().iter();
        let named: Vec<_> = named.map(|metric| metric["Name"].as_str().unwrap()).collect();
        assert_eq!(named, members.keys().collect::<Vec<_>>());
        Some(line)
    }

    #[test]
    fn counters_are_told_as_what_was_added_and_gauges_as_they_are() {
        let (metrics, mut told) = (Metrics::default(), HashMap::new());
        assert_eq!(next(&metrics, &mut told), None, "nothing has happened");
        metrics.process_retries.inc_by(3);
        metrics.ingest_events.get_or_create(&"stored".into()).inc_by(500);
        metrics.process_duration.get_or_create(&"write".into()).observe(0.25);
        metrics.process_lag.set(7);
        let expected = json!({
            "questline_ingest_events_total.stored": 500.0,
            "questline_process_duration_seconds_count.write": 1.0,
            "questline_process_duration_seconds_sum.write": 0.25,
            "questline_process_lag": [7.0],
            "questline_process_retries_total": 3.0,
        });
        assert_eq!(next(&metrics, &mut told), Some(expected));
        metrics.process_retries.inc();
        metrics.process_lag.set(0);
        let expected =
            json!({ "questline_process_lag": [0.0], "questline_process_retries_total": 1.0 });
        assert_eq!(next(&metrics, &mut told), Some(expected), "that it is 0 again is told, once");
        assert_eq!(next(&metrics, &mut told), None);
    }

    #[test]
    fn a_gauge_has_the_values_of_all_its_labels() {
        let (metrics, mut told) = (Metrics::default(), HashMap::new());
        for (hop, residue) in [("ingest", 0), ("log", 3), ("warehouse", -5)] {
            metrics.ledger_residue.get_or_create(&hop.into()).set(residue);
        }
        for app in 0..150 {
            let brake = metrics.process_brake.get_or_create_owned(&app.to_string().as_str().into());
            brake.set(i64::from(app == 149));
        }
        let line = next(&metrics, &mut told).unwrap();
        assert_eq!(line["questline_ledger_residue"], json!([-5.0, 3.0, 0.0]));
        let brakes = line["questline_process_brake"].as_array().unwrap();
        assert_eq!((brakes.len(), &brakes[0]), (VALUES, &json!(1.0)));
    }
}
