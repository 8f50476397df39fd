//! Whether anything is missing: the ledger's residue of the last days, for whoever it is to wake.

use std::{sync::Arc, time::Duration};

use questline_runtime::{CancellationToken, clock::Clock, metrics::Metrics};
use questline_stores::{
    saved::{Ask, Saved},
    warehouse::{Answer, QueryError, QueryLimits},
};
use serde_json::Value;
use tokio::time::Instant;

/// Between two looks: no minute is closed sooner.
const PERIOD: Duration = Duration::from_secs(60);
/// How far back: raw records are kept as long, so what is found can still be mended.
const REACH_MICROS: i64 = 7 * 86_400 * 1_000_000;
/// One row for each hop, or two where midnight of a bucket lies between.
const BUCKET_SECONDS: &str = "604800";
const LIMITS: QueryLimits = QueryLimits { timeout: Duration::from_secs(50), rows: 100 };

/// Tells what is missing in closed minutes, by hop, again and again until `stop`. A warehouse that
/// cannot be asked now is asked the next time.
pub async fn watch(
    warehouse: Arc<dyn Ask>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let looking = async {
        loop {
            tokio::time::sleep(PERIOD).await;
            tell(&*warehouse, &metrics, clock.now_micros()).await;
        }
    };
    _ = stop.run_until_cancelled(looking).await;
}

/// When somebody looked last, where nothing runs between calls of the platform.
#[derive(Debug, Default)]
pub(crate) struct Looked(Option<Instant>);

impl Looked {
    /// Tells what is missing, if that was not told for a while.
    pub(crate) async fn again(&mut self, warehouse: &dyn Ask, metrics: &Metrics, now: i64) {
        if self.0.is_none_or(|at| at.elapsed() >= PERIOD) {
            self.0 = Some(Instant::now());
            tell(warehouse, metrics, now).await;
        }
    }
}

async fn tell(warehouse: &dyn Ask, metrics: &Metrics, now: i64) {
    match look(warehouse, now).await {
        Ok(answer) => show(&answer, metrics),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "process.residue");
        }
    }
}

async fn look(warehouse: &dyn Ask, now: i64) -> Result<Answer, QueryError> {
    let saved = Saved::named("ledger_residue/by_bucket");
    let question = saved.and_then(|saved| saved.ask([("bucket_seconds", BUCKET_SECONDS)], now));
    let mut question = question.map_err(|error| QueryError::Invalid(error.to_string()))?;
    question.since(now - REACH_MICROS);
    warehouse.ask(&question, LIMITS).await
}

/// What is missing by hop; where nothing is, what is too many. Neither makes the other good.
fn show(answer: &Answer, metrics: &Metrics) {
    let at = |name: &str| answer.columns.iter().position(|column| column == name);
    let (Some(hop), Some(residue)) = (at("hop"), at("residue")) else { return };
    let mut hops = std::collections::BTreeMap::<&str, (i64, i64)>::new();
    for row in &answer.rows {
        let number = row.get(residue).map_or(0, whole);
        let hop = row.get(hop).and_then(Value::as_str).unwrap_or_default();
        let (missing, surplus) = hops.entry(hop).or_default();
        let sum = if number > 0 { missing } else { surplus };
        *sum += number;
    }
    for (hop, (missing, surplus)) in hops {
        let residue = if missing > 0 { missing } else { surplus };
        metrics.ledger_residue.get_or_create(&hop.into()).set(residue);
    }
}

/// A warehouse gives whole numbers as numbers, or as text where they could be too long for JSON.
fn whole(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_told_by_hop() {
        let metrics = Metrics::default();
        let columns = ["bucket", "hop", "residue"].map(str::to_owned).to_vec();
        let rows = [
            ("log", json!(3)),
            ("log", json!("4")),
            ("log", json!(-5)),
            ("warehouse", json!(-2)),
            ("ingest", json!(null)),
        ];
        let rows = rows.map(|(hop, residue)| vec![json!("2026-11-26"), json!(hop), residue]);
        show(&Answer { columns, rows: rows.to_vec() }, &metrics);
        let told = |hop: &str| metrics.ledger_residue.get_or_create(&hop.into()).get();
        assert_eq!(["ingest", "log", "warehouse"].map(told), [0, 7, -2]);
    }
}
