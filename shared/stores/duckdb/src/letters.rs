//! Dead letters that wait.

use bytes::Bytes;
use duckdb::{Row, ToSql, params};
use questline_events::letter::headers_block;
use questline_stores::{
    Headers,
    letters::{Cursor, Selection, WaitingLetter},
    warehouse::WarehouseError,
};

use crate::{
    database::Database,
    values::{moment, moment_at},
};

const WAITING: &str = include_str!("../../../../sql/letters/waiting.duckdb.sql");
const COUNT: &str = include_str!("../../../../sql/letters/count.duckdb.sql");

pub(crate) fn waiting(
    database: &Database,
    selection: &Selection,
    after: &Cursor,
    most: usize,
) -> Result<Vec<WaitingLetter>, WarehouseError> {
    database.with(|connection| {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let (from, to) = selection.judged();
        let values: [&dyn ToSql; 9] = [
            &most,
            &moment(from),
            &moment(to),
            &selection.reason,
            &selection.app,
            &selection.version,
            &selection.held,
            &moment(after.failed_at),
            &after.letter,
        ];
        connection.prepare_cached(WAITING)?.query_map(values, letter)?.collect()
    })
}

fn letter(row: &Row<'_>) -> duckdb::Result<WaitingLetter> {
    let bytes = |at| Ok::<_, duckdb::Error>(row.get::<_, Option<Vec<u8>>>(at)?.map(Bytes::from));
    let moment = |at| Ok::<_, duckdb::Error>(moment_at(row, at)?.unwrap_or_default());
    let headers: String = row.get(8)?;
    Ok(WaitingLetter {
        cursor: Cursor { failed_at: moment(5)?, letter: row.get(0)? },
        attempts: row.get(1)?,
        reason: row.get(2)?,
        detail: row.get(3)?,
        received_at: moment(4)?,
        key: bytes(6)?,
        value: bytes(7)?,
        headers: Headers::from_block(headers_block(&headers).unwrap_or_default().into()),
        partition: row.get(9)?,
    })
}

pub(crate) fn count(database: &Database, selection: &Selection) -> Result<u64, WarehouseError> {
    database.with(|connection| {
        let (from, to) = selection.judged();
        let values = params![
            moment(from),
            moment(to),
            selection.reason,
            selection.app,
            selection.version,
            selection.held
        ];
        connection.prepare_cached(COUNT)?.query_row(values, |row| row.get(0))
    })
}
