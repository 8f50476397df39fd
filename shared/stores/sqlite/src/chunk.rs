//! Records as bytes: many records in, two blobs out.
//!
//! `meta`: checksum, sizes, then a head for each record: partition, timestamp, lengths, headers,
//! key. Headers that equal those of the record before take one flag. `body`: the values, lz4.

use bytes::Bytes;
use questline_stores::{Headers, NewRecord, Record, log::Head};

/// Bytes of values that are compressed together.
const CHUNK_BYTES: usize = 256 << 10;

/// Records on their way into a row.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// How many records go to which partition, in the order of the records.
    pub(crate) partitions: Vec<u16>,
    pub(crate) newest_ms: i64,
    pub(crate) meta: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Chunk {
    pub(crate) const fn bytes(&self) -> usize {
        self.meta.len() + self.body.len()
    }
}

/// A blob that is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("a batch of records cannot be decoded")]
pub(crate) struct Undecodable;

/// Length of the part of `meta` before the heads: checksum, records, heads, values, compressed.
const PREFIX: usize = 20;
/// The headers are those of the record before.
const SAME_HEADERS: u32 = u32::MAX;
/// There is no key, or no value.
const NONE: u32 = u32::MAX;

/// Encodes records whose partitions are known, in chunks of bounded size.
pub(crate) fn encode(records: &[(u32, NewRecord)], now_ms: i64) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|(_, record)| {
            let before = bytes;
            bytes += record.bytes();
            before < CHUNK_BYTES
        });
        let (chunk, tail) = rest.split_at(fits.count());
        chunks.push(encode_one(chunk, now_ms));
        rest = tail;
    }
    chunks
}

fn encode_one(records: &[(u32, NewRecord)], now_ms: i64) -> Chunk {
    let values = records.iter().filter_map(|(_, record)| record.value.as_ref());
    let mut body = Vec::with_capacity(values.clone().map(Bytes::len).sum());
    values.for_each(|value| body.extend_from_slice(value));
    let mut chunk = Chunk { meta: vec![0; PREFIX], newest_ms: i64::MIN, ..Chunk::default() };
    let mut before: Option<&Headers> = None;
    for (partition, record) in records {
        let timestamp = record.timestamp_ms.unwrap_or(now_ms);
        chunk.newest_ms = chunk.newest_ms.max(timestamp);
        let partition = u16::try_from(*partition).unwrap_or(u16::MAX);
        chunk.partitions.push(partition);
        let meta = &mut chunk.meta;
        meta.extend_from_slice(&partition.to_le_bytes());
        meta.extend_from_slice(&timestamp.to_le_bytes());
        meta.extend_from_slice(&length(record.key.as_ref()).to_le_bytes());
        meta.extend_from_slice(&length(record.value.as_ref()).to_le_bytes());
        let same = before == Some(&record.headers);
        let headers = record.headers.block().0;
        meta.extend_from_slice(&if same { SAME_HEADERS } else { size(headers) }.to_le_bytes());
        if !same {
            meta.extend_from_slice(headers);
        }
        meta.extend_from_slice(record.key.as_deref().unwrap_or_default());
        before = Some(&record.headers);
    }
    chunk.body = lz4_flex::block::compress(&body);
    seal(&mut chunk, records.len(), body.len());
    chunk
}

fn seal(chunk: &mut Chunk, records: usize, values: usize) {
    let heads = chunk.meta.len() - PREFIX;
    for (at, size) in [(4, records), (8, heads), (12, values), (16, chunk.body.len())] {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        chunk.meta[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }
    let checksum = checksum(&chunk.meta[4..], &chunk.body);
    chunk.meta[..4].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(meta: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(meta);
    hasher.update(body);
    hasher.finalize()
}

fn length(bytes: Option<&Bytes>) -> u32 {
    bytes.map_or(NONE, |bytes| size(bytes))
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(NONE - 1)
}

/// Offsets of a row's records: where each partition begins, moved on by every record.
pub(crate) struct Offsets(pub(crate) Vec<i64>);

impl Offsets {
    fn next(&mut self, partition: u32) -> Result<i64, Undecodable> {
        let next = self.0.get_mut(partition as usize).ok_or(Undecodable)?;
        *next += 1;
        Ok(*next - 1)
    }
}

/// Decodes the chunks of a row; `wanted` sees each record's place before its value is touched.
pub(crate) fn decode(
    meta: Bytes,
    body: &[u8],
    offsets: &mut Offsets,
    mut wanted: impl FnMut(u32, i64) -> bool,
    records: &mut Vec<Record>,
) -> Result<(), Undecodable> {
    let mut meta = Cursor(meta);
    let mut body = body;
    while !meta.0.is_empty() {
        let chunk = meta.chunk()?;
        let (compressed, rest) = body.split_at_checked(chunk.compressed).ok_or(Undecodable)?;
        if checksum(&chunk.checked, compressed) != chunk.checksum {
            return Err(Undecodable);
        }
        body = rest;
        let values = lz4_flex::block::decompress(compressed, chunk.values);
        let mut values = Cursor(values.map_err(|_| Undecodable)?.into());
        let mut heads = Cursor(chunk.heads);
        let mut before = Headers::default();
        for _ in 0..chunk.records {
            let (head, key, value) = heads.head(&mut before)?;
            let value = value.map(|length| values.take(length)).transpose()?;
            let offset = offsets.next(head.partition)?;
            if wanted(head.partition, offset) {
                let Head { partition, timestamp_ms, headers } = head;
                records.push(Record { partition, offset, timestamp_ms, key, value, headers });
            }
        }
    }
    Ok(())
}

/// Shows the heads of a row's records, without its values.
pub(crate) fn heads(meta: Bytes, mut visit: impl FnMut(&Head)) -> Result<(), Undecodable> {
    let mut meta = Cursor(meta);
    while !meta.0.is_empty() {
        let chunk = meta.chunk()?;
        let mut heads = Cursor(chunk.heads);
        let mut before = Headers::default();
        for _ in 0..chunk.records {
            visit(&heads.head(&mut before)?.0);
        }
    }
    Ok(())
}

struct Prefix {
    checksum: u32,
    checked: Bytes,
    records: usize,
    heads: Bytes,
    values: usize,
    compressed: usize,
}

struct Cursor(Bytes);

impl Cursor {
    fn take(&mut self, length: usize) -> Result<Bytes, Undecodable> {
        (length <= self.0.len()).then(|| self.0.split_to(length)).ok_or(Undecodable)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let array = *self.0.first_chunk::<N>().ok_or(Undecodable)?;
        bytes::Buf::advance(&mut self.0, N);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, Undecodable> {
        self.array().map(u32::from_le_bytes)
    }

    fn length(&mut self) -> Result<Option<usize>, Undecodable> {
        Ok(Some(self.u32()?).filter(|length| *length != NONE).map(|length| length as usize))
    }

    fn chunk(&mut self) -> Result<Prefix, Undecodable> {
        let checksum = self.u32()?;
        let after_checksum = self.0.clone();
        let [records, heads, values, compressed] =
            [self.u32()?, self.u32()?, self.u32()?, self.u32()?].map(|size| size as usize);
        let heads = self.take(heads)?;
        let checked = after_checksum.slice(..PREFIX - 4 + heads.len());
        Ok(Prefix { checksum, checked, records, heads, values, compressed })
    }

    fn head(
        &mut self,
        before: &mut Headers,
    ) -> Result<(Head, Option<Bytes>, Option<usize>), Undecodable> {
        let partition = u32::from(u16::from_le_bytes(self.array()?));
        let timestamp_ms = i64::from_le_bytes(self.array()?);
        let (key, value) = (self.length()?, self.length()?);
        let headers = self.u32()?;
        if headers != SAME_HEADERS {
            *before = Headers::from_block(self.take(headers as usize)?);
        }
        let key = key.map(|length| self.take(length)).transpose()?;
        Ok((Head { partition, timestamp_ms, headers: before.clone() }, key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: u32, value: Option<&'static [u8]>, header: &[u8]) -> (u32, NewRecord) {
        let record = NewRecord {
            partition: None,
            timestamp_ms: (partition == 1).then_some(7),
            key: value.map(|_| Bytes::from_static(b"key")),
            value: value.map(Bytes::from_static),
            headers: Headers::new([("h", header)]),
        };
        (partition, record)
    }

    fn decoded(chunk: &Chunk) -> Result<Vec<Record>, Undecodable> {
        let mut records = Vec::new();
        let mut offsets = Offsets(vec![10, 20, 30]);
        let meta = Bytes::copy_from_slice(&chunk.meta);
        decode(meta, &chunk.body, &mut offsets, |_, _| true, &mut records)?;
        Ok(records)
    }

    #[test]
    fn records_come_back_as_they_went() {
        let sent =
            [record(1, Some(b"one"), b"a"), record(2, None, b"a"), record(1, Some(b""), b"b")];
        let chunks = encode(&sent, 99);
        assert_eq!((chunks.len(), chunks[0].newest_ms), (1, 99));
        let read = decoded(&chunks[0]).unwrap();
        let places: Vec<_> = read.iter().map(|r| (r.partition, r.offset, r.timestamp_ms)).collect();
        assert_eq!(places, [(1, 20, 7), (2, 30, 99), (1, 21, 7)]);
        for (read, (_, sent)) in read.iter().zip(&sent) {
            assert_eq!(
                (&read.key, &read.value, &read.headers),
                (&sent.key, &sent.value, &sent.headers)
            );
        }
        let mut seen = 0;
        heads(Bytes::copy_from_slice(&chunks[0].meta), |_| seen += 1).unwrap();
        assert_eq!(seen, 3);
    }

    #[test]
    fn large_values_are_spread_over_chunks() {
        let sent: Vec<_> = (0..600).map(|_| record(0, Some(&[b'x'; 1_000]), b"a")).collect();
        let chunks = encode(&sent, 0);
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks.iter().map(|chunk| chunk.partitions.len()).sum::<usize>(), 600);
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let chunk = encode(&[record(1, Some(b"some value"), b"a")], 99).remove(0);
        for at in 0..chunk.meta.len() {
            let mut meta = chunk.meta.clone();
            meta[at] ^= 1;
            let damaged = Chunk { meta, body: chunk.body.clone(), ..Chunk::default() };
            assert!(decoded(&damaged).is_err(), "meta {at}");
        }
        for at in 0..chunk.body.len() {
            let mut body = chunk.body.clone();
            body[at] ^= 1;
            let damaged = Chunk { meta: chunk.meta.clone(), body, ..Chunk::default() };
            assert!(decoded(&damaged).is_err(), "body {at}");
        }
    }
}
