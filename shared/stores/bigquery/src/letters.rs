//! Dead letters that wait.

use async_trait::async_trait;
use bytes::Bytes;
use google_cloud_bigquery::query::{Row, RowIterator};
use questline_events::{
    letter::headers_block,
    limits::{REPROCESS_ANSWER, WAREHOUSE_STATEMENT},
};
use questline_stores::{
    Cause, Headers,
    letters::{Cursor, Letters, Selection, WaitingLetter},
    warehouse::WarehouseError,
};
use tokio::sync::Mutex;

use crate::{
    BigqueryWarehouse,
    values::{Bound, flag, integer, moment, text},
};

const WAITING: &str = include_str!("../../../../sql/letters/waiting.sql");
const COUNT: &str = include_str!("../../../../sql/letters/count.sql");

/// The dead letters of a dataset. What a statement has given is read page by page as long as it is
/// asked for in order: to ask anew would be to pay for all letters of those days anew.
pub struct BigqueryLetters {
    warehouse: BigqueryWarehouse,
    pages: Mutex<Option<Pages>>,
}

/// What a statement has given, as far as it was read.
struct Pages {
    selection: Selection,
    after: Cursor,
    rows: RowIterator,
}

impl BigqueryWarehouse {
    /// Reprocess's side of the warehouse.
    #[must_use]
    pub fn letters(&self) -> BigqueryLetters {
        BigqueryLetters { warehouse: self.clone(), pages: Mutex::default() }
    }
}

#[async_trait]
impl Letters for BigqueryLetters {
    async fn waiting(
        &self,
        selection: &Selection,
        after: &Cursor,
        most: usize,
    ) -> Result<Vec<WaitingLetter>, WarehouseError> {
        let mut kept = self.pages.lock().await;
        let going_on = |pages: &Pages| pages.selection == *selection && pages.after == *after;
        if let Some(mut pages) = kept.take().filter(going_on) {
            let page = self.read(&mut pages, most).await?;
            // It gives no more than it was to give: then it is asked anew, from there on.
            if !page.is_empty() {
                *kept = Some(pages);
                return Ok(page);
            }
        }
        let mut pages = self.ask(selection, after, most).await?;
        let page = self.read(&mut pages, most).await?;
        *kept = Some(pages);
        Ok(page)
    }

    async fn count(&self, selection: &Selection) -> Result<u64, WarehouseError> {
        let values = chosen(selection, selection.judged().0);
        let count = |row: &Row| Ok::<_, Cause>(u64::try_from(row.get::<i64>(0)?)?);
        self.warehouse.one(COUNT, values, WAREHOUSE_STATEMENT, count).await
    }
}

impl BigqueryLetters {
    async fn ask(
        &self,
        selection: &Selection,
        after: &Cursor,
        page: usize,
    ) -> Result<Pages, WarehouseError> {
        // Days before it are not even read.
        let from = selection.judged().0.max(after.failed_at);
        let place = [
            ("most", integer(REPROCESS_ANSWER)),
            ("after_failed_at", moment(after.failed_at)),
            ("after_letter", text(&*after.letter)),
        ];
        let values = chosen(selection, from).into_iter().chain(place);
        let page = u32::try_from(page).ok();
        let done = self.warehouse.answered(WAITING, values, WAREHOUSE_STATEMENT, page).await?;
        Ok(Pages { selection: selection.clone(), after: after.clone(), rows: done.read() })
    }

    async fn read(
        &self,
        pages: &mut Pages,
        most: usize,
    ) -> Result<Vec<WaitingLetter>, WarehouseError> {
        let page = async {
            let mut page = Vec::new();
            while page.len() < most
                && let Some(row) = self.warehouse.next(&mut pages.rows).await?
            {
                page.push(letter(&row).map_err(|other| self.warehouse.damaged(other))?);
            }
            Ok(page)
        };
        let page = tokio::time::timeout(WAREHOUSE_STATEMENT, page).await;
        let page = page.unwrap_or_else(|late| Err(WarehouseError::Unavailable(late.into())))?;
        if let Some(last) = page.last() {
            pages.after = last.cursor.clone();
        }
        Ok(page)
    }
}

fn chosen(selection: &Selection, from: i64) -> [(&'static str, Bound); 6] {
    [
        ("from_time", moment(from)),
        ("to_time", moment(selection.judged().1)),
        ("reason", text(selection.reason.as_deref())),
        ("app_id", text(selection.app.as_deref())),
        ("function_version", text(selection.version.as_deref())),
        ("held", flag(selection.held)),
    ]
}

fn letter(row: &Row) -> Result<WaitingLetter, Cause> {
    let headers: String = row.get("headers")?;
    Ok(WaitingLetter {
        cursor: Cursor { failed_at: row.get("failed_at")?, letter: row.get("letter")? },
        attempts: row.get("attempts")?,
        reason: row.get("reason")?,
        detail: row.get("detail")?,
        received_at: row.get("received_at")?,
        key: row.get::<Option<Bytes>>("record_key")?,
        value: row.get::<Option<Bytes>>("raw")?,
        headers: Headers::from_block(headers_block(&headers).unwrap_or_default().into()),
        partition: u32::try_from(row.get::<i64>("source_partition")?)?,
    })
}
