//! The log read again: by a connection of its own, so that it holds up nobody.

use std::ops::Range;

use async_trait::async_trait;
use questline_stores::{
    Record, Topic,
    log::LogError,
    replay::{Pages, Past, is_page, pages},
};

use crate::{SqliteLog, rows::Rows};

#[async_trait]
impl Past for SqliteLog {
    async fn offsets_at(&self, timestamp_ms: i64) -> Result<Vec<i64>, LogError> {
        self.shared.read(Rows::again)?.offsets_at(Topic::Raw, timestamp_ms)
    }

    fn read(&self, offsets: Vec<Range<i64>>) -> Pages {
        let rows = self.shared.read(Rows::again);
        pages(move |turn| read(&rows?, &offsets, turn))
    }
}

fn read(
    rows: &Rows,
    offsets: &[Range<i64>],
    turn: &mut dyn FnMut(Vec<Record>) -> bool,
) -> Result<Vec<Record>, LogError> {
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
        if is_page(page.len(), bytes) {
            bytes = 0;
            if !turn(std::mem::take(&mut page)) {
                break;
            }
        }
    }
    Ok(page)
}
