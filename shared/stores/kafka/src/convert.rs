//! Kafka's messages as records of the port, and back.

use bytes::{Bytes, BytesMut};
use questline_events::{
    headers::Block,
    limits::{KEY_BYTES, RECORD_BYTES},
};
use questline_stores::{Headers, NewRecord, Record};
use rdkafka::{
    message::{BorrowedMessage, Header, Message as _, OwnedHeaders},
    producer::BaseRecord,
    util::IntoOpaque,
};

use crate::native::each_header;

/// Records of one poll while they are gathered. Keys and values lie in one buffer, and headers that
/// equal those of the record before are shared, so that a record costs no allocation of its own.
#[derive(Default)]
pub(crate) struct Gathered {
    bytes: BytesMut,
    records: Vec<Place>,
    headers: Headers,
    scratch: Vec<u8>,
}

/// A record whose key and value are ranges of the buffer.
struct Place {
    partition: u32,
    offset: i64,
    timestamp_ms: i64,
    key: Option<std::ops::Range<usize>>,
    value: Option<std::ops::Range<usize>>,
    headers: Headers,
}

impl Gathered {
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn push(&mut self, message: &BorrowedMessage<'_>) {
        self.scratch.clear();
        headers(message, &mut self.scratch);
        if self.headers.block().0 != self.scratch {
            self.headers = Headers::from_block(Bytes::copy_from_slice(&self.scratch));
        }
        let key = message.key().map(|key| self.keep(key, KEY_BYTES));
        let value = message.payload().map(|value| self.keep(value, RECORD_BYTES));
        self.records.push(Place {
            partition: message.partition().unsigned_abs(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
            key,
            value,
            headers: self.headers.clone(),
        });
    }

    fn keep(&mut self, bytes: &[u8], most: usize) -> std::ops::Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(most)]);
        start..self.bytes.len()
    }

    pub(crate) fn into_records(self) -> Vec<Record> {
        let bytes = self.bytes.freeze();
        let record = |place: Place| Record {
            partition: place.partition,
            offset: place.offset,
            timestamp_ms: place.timestamp_ms,
            key: place.key.map(|range| bytes.slice(range)),
            value: place.value.map(|range| bytes.slice(range)),
            headers: place.headers,
        };
        self.records.into_iter().map(record).collect()
    }
}

/// Appends a message's headers to a block.
pub(crate) fn headers(message: &BorrowedMessage<'_>, block: &mut Vec<u8>) {
    each_header(message, |name, value| Block::push(block, name, value));
}

/// A record on its way to a topic.
pub(crate) fn outgoing<'a, D: IntoOpaque>(
    topic: &'a str,
    record: &'a NewRecord,
    opaque: D,
) -> BaseRecord<'a, [u8], [u8], D> {
    let mut outgoing = BaseRecord::with_opaque_to(topic, opaque);
    outgoing.partition = record.partition.and_then(|partition| i32::try_from(partition).ok());
    outgoing.timestamp = record.timestamp_ms;
    outgoing.key = record.key.as_deref();
    outgoing.payload = record.value.as_deref();
    let block = record.headers.block();
    if !block.0.is_empty() {
        let headers = block.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        outgoing.headers = Some(headers);
    }
    outgoing
}
