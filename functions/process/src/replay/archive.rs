//! The archive of the raw topic, as the Cloud Storage sink connector writes it and a copy of the
//! bucket holds it: `raw/LOG/game-events-raw/PARTITION/FIRST OFFSET.jsonl.gz`, a record a line.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    ops::Range,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use questline_events::{
    limits::{KEY_BYTES, RECORD_BYTES},
    time,
};
use questline_stores::{
    Cause, Headers, Record, Topic,
    log::LogError,
    replay::{Pages, Past, is_page, pages},
};
use serde::Deserialize;

use super::request::Unusable;

/// A copy of an archive: of each partition its files, in the order of their first offsets.
#[derive(Debug, Clone)]
pub struct Archive {
    log_id: String,
    partitions: Vec<Vec<(i64, PathBuf)>>,
}

/// A record, as the connector writes it: keys, values and headers as base64.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<String>,
    offset: i64,
    timestamp: String,
    #[serde(default)]
    headers: Option<Vec<Header>>,
}

#[derive(Debug, Deserialize)]
struct Header {
    key: String,
    #[serde(default)]
    value: Option<String>,
}

impl Archive {
    /// Opens the copy of a bucket that holds a log, or of one log's folder in it, which may be
    /// another's.
    ///
    /// # Errors
    /// If it holds nothing of the log, or cannot be read.
    pub fn open(directory: &Path, log_id: &str) -> Result<Self, Unusable> {
        let topic = Topic::Raw.name();
        let named = directory.join("raw").join(log_id);
        let (log_id, folder) = if named.join(topic).is_dir() {
            (log_id.to_owned(), named)
        } else if directory.join(topic).is_dir()
            && let Some(name) = directory.file_name().and_then(|name| name.to_str())
        {
            (name.to_owned(), directory.to_owned())
        } else {
            return Err(Unusable(format!(
                "{} has no raw/{log_id}/{topic}: name a copy of the archive's bucket, or of the \
                 folder of a log in it",
                directory.display()
            )));
        };
        let partition = |number: u32| files(&folder.join(topic), number);
        let partitions = (0..Topic::Raw.partitions()).map(partition).collect::<io::Result<_>>();
        let partitions = partitions
            .map_err(|error| Unusable(format!("{} cannot be read: {error}", folder.display())))?;
        Ok(Self { log_id, partitions })
    }

    /// The log that was archived.
    #[must_use]
    pub fn log_id(&self) -> &str {
        &self.log_id
    }
}

/// The files of a partition. Their names are numbers, padded or not.
fn files(topic: &Path, partition: u32) -> io::Result<Vec<(i64, PathBuf)>> {
    let mut found = Vec::new();
    for folder in [format!("{partition:010}"), partition.to_string()] {
        let listed = match fs::read_dir(topic.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            listed => listed?,
        };
        for entry in listed {
            let entry = entry?;
            let name = entry.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(".jsonl.gz"));
            if let Some(first) = first.and_then(|first| first.parse().ok()) {
                found.push((first, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Shows the records of a file until `go_on` says no more; `false` if it did.
fn visit(
    path: &Path,
    partition: u32,
    mut go_on: impl FnMut(Record) -> bool,
) -> Result<bool, LogError> {
    let damaged = |cause: Cause| LogError::Damaged { place: path.display().to_string(), cause };
    let file = File::open(path).map_err(|error| damaged(error.into()))?;
    let lines = BufReader::new(MultiGzDecoder::new(BufReader::new(file))).lines();
    for line in lines {
        let line = line.map_err(|error| damaged(error.into()))?;
        let record = record(&line, partition).map_err(damaged)?;
        if !go_on(record) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn record(line: &str, partition: u32) -> Result<Record, Cause> {
    let Line { key, value, offset, timestamp, headers } = serde_json::from_str(line)?;
    let bytes = |text: &String, most: usize| -> Result<Bytes, Cause> {
        let mut bytes = BASE64_STANDARD.decode(text)?;
        // What a consumer of the topic keeps of it, too.
        bytes.truncate(most);
        Ok(bytes.into())
    };
    let micros = time::parse(&timestamp).ok_or("its timestamp is none")?;
    let mut pairs = Vec::new();
    for Header { key, value } in headers.unwrap_or_default() {
        pairs.push((key, value.map_or(Ok(Vec::new()), |value| BASE64_STANDARD.decode(value))?));
    }
    Ok(Record {
        partition,
        offset,
        timestamp_ms: micros.div_euclid(1_000),
        key: key.map(|key| bytes(&key, KEY_BYTES)).transpose()?,
        value: value.map(|value| bytes(&value, RECORD_BYTES)).transpose()?,
        headers: Headers::new(pairs.iter().map(|(name, value)| (&**name, &**value))),
    })
}

/// The first offset of a moment or later; after the last record where there is none.
fn offset_at(files: &[(i64, PathBuf)], partition: u32, timestamp_ms: i64) -> Result<i64, LogError> {
    // The last file that begins before the moment, or the first.
    let (mut low, mut high) = (0, files.len());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let mut first = None;
        visit(&files[middle].1, partition, |record| {
            first = Some(record.timestamp_ms);
            false
        })?;
        if first.is_none_or(|first| first < timestamp_ms) {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut at = 0;
    for (_, path) in files.iter().skip(low) {
        let older = visit(path, partition, |record| {
            let older = record.timestamp_ms < timestamp_ms;
            at = record.offset + i64::from(older);
            older
        })?;
        if !older {
            break;
        }
    }
    Ok(at)
}

#[async_trait]
impl Past for Archive {
    async fn offsets_at(&self, timestamp_ms: i64) -> Result<Vec<i64>, LogError> {
        let archive = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let partitions = (0..).zip(&archive.partitions);
            partitions.map(|(number, files)| offset_at(files, number, timestamp_ms)).collect()
        });
        asked.await.unwrap_or_else(|error| Err(LogError::Unavailable(error.into())))
    }

    fn read(&self, offsets: Vec<Range<i64>>) -> Pages {
        let archive = self.clone();
        pages(move |turn| archive.read_all(&offsets, turn))
    }
}

impl Archive {
    fn read_all(
        &self,
        offsets: &[Range<i64>],
        turn: &mut dyn FnMut(Vec<Record>) -> bool,
    ) -> Result<Vec<Record>, LogError> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        for ((number, files), wanted) in (0..).zip(&self.partitions).zip(offsets) {
            // A connector that begins again writes its last records once more.
            let mut next = wanted.start;
            let first = files.partition_point(|(first, _)| *first <= next).saturating_sub(1);
            for (first, path) in files.iter().skip(first) {
                if *first >= wanted.end {
                    break;
                }
                let mut listens = true;
                visit(path, number, |record| {
                    if record.offset >= next && record.offset < wanted.end {
                        next = record.offset + 1;
                        bytes += record.bytes();
                        page.push(record);
                    }
                    if is_page(page.len(), bytes) {
                        bytes = 0;
                        listens = turn(std::mem::take(&mut page));
                    }
                    listens && next < wanted.end
                })?;
                if !listens {
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_the_connector_writes_it() {
        let line = r#"{"headers":[{"value":"bG9jYWw=","key":"app_id"},{"value":null,"key":"x"}],
            "offset":7,"value":"eyJpZCI6ImEifQ==","key":"dQ==","timestamp":"2026-11-25T10:00:00.007Z"}"#;
        let found = record(line, 3).unwrap();
        assert_eq!((found.partition, found.offset), (3, 7));
        assert_eq!(found.timestamp_ms, 1_795_600_800_007);
        assert_eq!(found.key.as_deref(), Some(&b"u"[..]));
        assert_eq!(found.value.as_deref(), Some(&br#"{"id":"a"}"#[..]));
        assert_eq!(found.headers, Headers::new([("app_id", &b"local"[..]), ("x", b"")]));
        let bare = record(r#"{"offset":0,"timestamp":"2026-11-25T10:00:00Z"}"#, 0).unwrap();
        assert_eq!((bare.key, bare.value), (None, None));
        for broken in ["", r#"{"offset":0}"#, r#"{"offset":0,"timestamp":"x"}"#] {
            record(broken, 0).unwrap_err();
        }
    }
}
