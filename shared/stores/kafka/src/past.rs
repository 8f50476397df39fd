//! The raw topic read again, by a client that is a member of no group.

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use questline_stores::{
    Record, Topic,
    log::LogError,
    replay::{Pages, Past, is_page, pages},
};
use rdkafka::{
    Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError, message::Message as _,
};

use crate::{
    KafkaLog, blocking,
    client::unavailable,
    convert::Gathered,
    reader::{Client, Onlooker, Patience, is_passing},
};

#[async_trait]
impl Past for KafkaLog {
    async fn offsets_at(&self, timestamp_ms: i64) -> Result<Vec<i64>, LogError> {
        let onlooker = self.onlooker.clone();
        blocking(move || onlooker.offsets_at(Topic::Raw, timestamp_ms)).await
    }

    fn read(&self, offsets: Vec<Range<i64>>) -> Pages {
        let onlooker = self.onlooker.clone();
        pages(move |turn| read(&onlooker, &offsets, turn))
    }

    async fn keeps(&self, offsets: &[Range<i64>]) -> Result<bool, LogError> {
        let (onlooker, offsets) = (self.onlooker.clone(), offsets.to_vec());
        blocking(move || onlooker.keeps(Topic::Raw, &offsets)).await
    }
}

fn read(
    onlooker: &Onlooker,
    offsets: &[Range<i64>],
    turn: &mut dyn FnMut(Vec<Record>) -> bool,
) -> Result<Vec<Record>, LogError> {
    let mut wanted = TopicPartitionList::new();
    for (partition, wanted_here) in (0..).zip(offsets) {
        if !wanted_here.is_empty() {
            let first = Offset::Offset(wanted_here.start);
            wanted
                .add_partition_offset(Topic::Raw.name(), partition, first)
                .map_err(unavailable)?;
        }
    }
    let client = onlooker.from(&wanted)?;
    let (mut open, mut page) = (wanted.count(), Gathered::default());
    let mut ended = vec![false; offsets.len()];
    let mut patience = Patience::default();
    while open > 0 {
        let mut end = |partition: i32| {
            let place = usize::try_from(partition).unwrap_or(usize::MAX);
            let fresh = ended.get_mut(place).is_some_and(|ended| !std::mem::replace(ended, true));
            open -= usize::from(fresh);
            if fresh { rest(&client, partition) } else { Ok(()) }
        };
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                patience.heard();
                let partition = message.partition();
                let last =
                    offsets.get(partition.unsigned_abs() as usize).map_or(0, |here| here.end);
                if message.offset() < last {
                    page.push(&message);
                }
                if message.offset() + 1 >= last {
                    end(partition)?;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => end(partition)?,
            Some(Err(error)) if !is_passing(&error) => return Err(unavailable(error)),
            Some(Err(_)) | None => patience.lasts()?,
        }
        if is_page(page.len(), page.bytes()) && !turn(std::mem::take(&mut page).into_records()) {
            break;
        }
    }
    Ok(page.into_records())
}

/// Nothing more is fetched of a partition.
fn rest(client: &Client, partition: i32) -> Result<(), LogError> {
    let mut done = TopicPartitionList::new();
    done.add_partition(Topic::Raw.name(), partition);
    client.pause(&done).map_err(unavailable)
}
