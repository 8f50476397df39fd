//! `questline query`: one SELECT, answered by the running stack or from its data directory.

use anyhow::Context as _;
use questline_client::{Answer, ClientError, Operator, Place};
use questline_events::limits::{QUERY_ROWS, QUERY_TIMEOUT};
use questline_stores::warehouse::{Query as _, QueryLimits};
use questline_warehouse_duckdb::{DuckdbWarehouse, FILE};

use crate::{arguments::Query, show};

pub(crate) async fn run(place: &Place, query: &Query) -> anyhow::Result<()> {
    let answer = ask(place, &query.sql).await?;
    show::answer(&answer, query.format)
}

/// Asks the running stack; where none runs, the file that it left.
pub(crate) async fn ask(place: &Place, sql: &str) -> anyhow::Result<Answer> {
    if let Some(operator) = Operator::of(place)? {
        match operator.query(sql).await {
            // Written down by a stack that was killed.
            Err(ClientError::Http { cause, .. }) if cause.is_connect() => {}
            answered => return Ok(answered?),
        }
    }
    let directory = place.directory();
    anyhow::ensure!(
        directory.join(FILE).exists(),
        "no stack runs on {0}, and it holds no warehouse: start scripts/run-local, or name --data-dir",
        directory.display()
    );
    let warehouse = DuckdbWarehouse::open(directory).context("the warehouse cannot be opened")?;
    let limits = QueryLimits { timeout: QUERY_TIMEOUT, rows: QUERY_ROWS };
    let answer = warehouse.query(sql, limits).await;
    warehouse.close().await;
    let answer = answer?;
    Ok(Answer { columns: answer.columns, rows: answer.rows })
}
