//! The log read again: by a connection of its own, so that it holds up nobody.

use std::ops::Range;

use async_trait::async_trait;
use questline_events::limits::{BATCH_BYTES, BATCH_RECORDS};
use questline_stores::{
    Record, Topic,
    log::LogError,
    replay::{PAGES, Pages, Past},
};
use tokio::sync::mpsc::{self, Sender};

use crate::{SqliteLog, rows::Rows};

#[async_trait]
impl Past for SqliteLog {
    async fn offsets_at(&self, timestamp_ms: i64) -> Result<Vec<i64>, LogError> {
        self.shared.read(Rows::again)?.offsets_at(Topic::Raw, timestamp_ms)
    }

    fn read(&self, offsets: Vec<Range<i64>>) -> Pages {
        let (send, pages) = mpsc::channel(PAGES);
        let rows = self.shared.read(Rows::again);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = rows.and_then(|rows| read(&rows, &offsets, &send)) {
                // Nobody may listen any more.
                _ = send.blocking_send(Err(error));
            }
        });
        pages
    }
}

fn read(
    rows: &Rows,
    offsets: &[Range<i64>],
    send: &Sender<Result<Vec<Record>, LogError>>,
) -> Result<(), LogError> {
    let first = |_: i64, starts: &[i64]| {
        starts.iter().zip(offsets).all(|(start, wanted)| *start <= wanted.start)
    };
    let (mut page, mut bytes) = (Vec::new(), 0);
    let mut next = rows.bisect(Topic::Raw, first)?;
    while let Some(batch) = next.map(|id| rows.batch_from(Topic::Raw, id)).transpose()?.flatten() {
        if batch.starts.iter().zip(offsets).all(|(start, wanted)| *start >= wanted.end) {
            break;
        }
        next = Some(batch.id + 1);
        let wanted = |partition: u32, offset: i64| {
            offsets.get(partition as usize).is_some_and(|wanted| wanted.contains(&offset))
        };
        let before = page.len();
        rows.records(batch, wanted, &mut page)?;
        bytes += page[before..].iter().map(Record::bytes).sum::<usize>();
        if page.len() >= BATCH_RECORDS || bytes >= BATCH_BYTES {
            bytes = 0;
            if send.blocking_send(Ok(std::mem::take(&mut page))).is_err() {
                return Ok(());
            }
        }
    }
    // Nobody may listen any more.
    _ = send.blocking_send(Ok(page));
    Ok(())
}
