//! `questline query`: one SELECT, answered by the running stack or from its data directory.

use anyhow::Context as _;
use questline_client::{Answer, ClientError, Operator, Place};
use questline_events::limits::{QUERY_ROWS, QUERY_TIMEOUT};
use questline_runtime::clock::now_micros;
use questline_stores::{
    saved::{Ask as _, Saved},
    warehouse::{self, Query as _, QueryLimits},
};
use questline_warehouse_duckdb::{DuckdbWarehouse, FILE};

use crate::{arguments::Query, show};

pub(crate) async fn run(place: &Place, query: &Query) -> anyhow::Result<()> {
    let asked = match (&query.saved, &query.sql) {
        (Some(name), _) => Asked::Saved(name, &query.values),
        (None, sql) => Asked::Sql(sql.as_deref().unwrap_or_default()),
    };
    show::answer(&answer(place, asked).await?, query.format)
}

/// Answers one SELECT.
pub(crate) async fn ask(place: &Place, sql: &str) -> anyhow::Result<Answer> {
    answer(place, Asked::Sql(sql)).await
}

#[derive(Clone, Copy)]
enum Asked<'a> {
    Sql(&'a str),
    Saved(&'a str, &'a [(String, String)]),
}

/// Asks the running stack; where none runs, the file that it left.
async fn answer(place: &Place, asked: Asked<'_>) -> anyhow::Result<Answer> {
    if let Some(operator) = Operator::of(place)? {
        let answered = match asked {
            Asked::Sql(sql) => operator.query(sql).await,
            Asked::Saved(name, values) => operator.saved(name, values).await,
        };
        match answered {
            // Written down by a stack that was killed.
            Err(ClientError::Http { cause, .. }) if cause.is_connect() && !place.is_named() => {}
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
    let answer = of_file(&warehouse, asked).await;
    warehouse.close().await;
    let answer = answer?;
    Ok(Answer { columns: answer.columns, rows: answer.rows })
}

async fn of_file(
    warehouse: &DuckdbWarehouse,
    asked: Asked<'_>,
) -> anyhow::Result<warehouse::Answer> {
    let limits = QueryLimits { timeout: QUERY_TIMEOUT, rows: QUERY_ROWS };
    Ok(match asked {
        Asked::Sql(sql) => warehouse.query(sql, limits).await?,
        Asked::Saved(name, values) => {
            let values = values.iter().map(|(name, value)| (&**name, &**value));
            let question = Saved::named(name)?.ask(values, now_micros())?;
            warehouse.ask(&question, limits).await?
        }
    })
}
