//! What processing asks of the tables.

use std::ops::Range;

use questline_events::{
    limits::{QUERY_ROWS, QUERY_TIMEOUT, STATEMENT_BYTES},
    minutes::Key,
    time,
};
use questline_stores::{
    saved::{Question, Value},
    warehouse::{Answer, Boot, LedgerState, QueryLimits, Settled, WarehouseError, ranges},
};
use serde_json::Value as Json;

use crate::BigqueryWarehouse;

macro_rules! question {
    ($name:literal, $values:expr) => {
        Question {
            name: $name,
            bigquery: include_str!(concat!("../../../../sql/", $name, ".sql")),
            duckdb: include_str!(concat!("../../../../sql/", $name, ".duckdb.sql")),
            values: $values,
        }
    };
}

/// A batch of each of 64 partitions.
const ROWS: usize = 16 * QUERY_ROWS;

/// Which source positions the tables hold.
pub(crate) async fn settled(
    warehouse: &BigqueryWarehouse,
    log_id: &str,
    asked: &[(u32, Range<i64>)],
    days: Option<(i32, i32)>,
) -> Result<Vec<Settled>, WarehouseError> {
    let asked = ranges(asked.iter().map(|(partition, offsets)| (*partition, offsets)));
    // Without events there is no day to look at.
    let (first, last) = days.unwrap_or((1, 0));
    let question = question!(
        "events/settled",
        vec![
            ("first_day", Value::Integer(Some(first.into()))),
            ("last_day", Value::Integer(Some(last.into()))),
            ("log_id", Value::Text(Some(log_id.to_owned()))),
            ("ranges", Value::Text(Some(asked))),
        ]
    );
    let answer = ask(warehouse, &question).await?;
    let row = |row: &Vec<Json>| {
        let partition = u32::try_from(row.first()?.as_i64()?).ok()?;
        let (offset, event) = (row.get(1)?.as_i64()?, row.get(2)?.as_bool()?);
        let minute = if event {
            Some(Key {
                window_start: moment(row.get(3)?)?,
                app_id: row.get(4)?.as_str()?.into(),
                event_type: row.get(5)?.as_i64()?,
                level_id: row.get(6)?.as_str().map(Into::into),
            })
        } else {
            None
        };
        Some(Settled { partition, offset, event, minute })
    };
    read(warehouse, &question, &answer, row)
}

/// What the ledger knows of a log.
pub(crate) async fn ledger(
    warehouse: &BigqueryWarehouse,
    log_id: &str,
) -> Result<LedgerState, WarehouseError> {
    let log = || vec![("log_id", Value::Text(Some(log_id.to_owned())))];
    let question = question!("ledger/closed_through", log());
    let answer = ask(warehouse, &question).await?;
    let closed_through = answer.rows.first().and_then(|row| row.first()).and_then(moment);
    let question = question!("ledger_boots/living", log());
    let answer = ask(warehouse, &question).await?;
    let boot = |row: &Vec<Json>| {
        Some(Boot {
            id: row.first()?.as_str()?.to_owned(),
            first_minute: moment(row.get(1)?)?,
            last_complete: moment(row.get(2)?),
            last_written: moment(row.get(3)?)?,
        })
    };
    Ok(LedgerState { closed_through, boots: read(warehouse, &question, &answer, boot)? })
}

fn moment(value: &Json) -> Option<i64> {
    time::parse(value.as_str()?)
}

fn read<T>(
    warehouse: &BigqueryWarehouse,
    question: &Question,
    answer: &Answer,
    row: impl Fn(&Vec<Json>) -> Option<T>,
) -> Result<Vec<T>, WarehouseError> {
    let rows: Option<Vec<T>> = answer.rows.iter().map(row).collect();
    rows.ok_or_else(|| warehouse.damaged(format!("`{}` has no such answer", question.name).into()))
}

/// It is no question of a person: a batch may have events of a year, and without the answer nothing
/// goes on.
async fn ask(warehouse: &BigqueryWarehouse, question: &Question) -> Result<Answer, WarehouseError> {
    let limits = QueryLimits { timeout: 3 * QUERY_TIMEOUT, rows: ROWS };
    let answer = warehouse.asked(question, limits, STATEMENT_BYTES).await;
    answer.map_err(|error| warehouse.unable(error))
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, net::TcpListener, thread};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn processing_may_read_more_than_a_person() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let rest = format!("http://{}", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let (mut asked, mut some) = (String::new(), [0; 65_536]);
            let is_whole = |asked: &str| {
                let body = asked.split_once("\r\n\r\n").map(|(_, body)| body);
                body.is_some_and(|body| serde_json::from_str::<Json>(body).is_ok())
            };
            while !is_whole(&asked) {
                let read = client.read(&mut some).unwrap();
                assert_ne!(read, 0, "{asked}");
                asked += &String::from_utf8_lossy(&some[..read]);
            }
            asked
        });
        let variable = |name: &str| (name == "QUESTLINE_BIGQUERY_REST").then(|| rest.clone());
        let warehouse = BigqueryWarehouse::open("questline.warehouse", variable).await.unwrap();
        // It is not answered.
        assert!(ledger(&warehouse, "log").await.is_err());
        let limit = format!("\"maximumBytesBilled\":\"{STATEMENT_BYTES}\"");
        let asked = asked.join().unwrap();
        assert!(asked.contains(&limit), "{asked}");
    }
}
