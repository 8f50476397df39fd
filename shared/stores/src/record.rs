//! Records: what goes into a log, and what comes out.

use bytes::Bytes;
use questline_events::{
    headers::{Block, INGEST, KIND},
    ledger::Page,
};

/// A record's headers. Cloning is cheap: records of a request share one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Bytes);

impl Headers {
    /// Headers in the given order; a name may come again.
    #[must_use]
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self::default().and(headers)
    }

    /// These headers and more.
    #[must_use]
    pub fn and<'a>(&self, more: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut block = self.0.to_vec();
        for (name, value) in more {
            Block::push(&mut block, name, value);
        }
        Self(block.into())
    }

    /// Headers from a block that a log kept.
    #[must_use]
    pub const fn from_block(block: Bytes) -> Self {
        Self(block)
    }

    /// The block, to be read or kept.
    #[must_use]
    pub fn block(&self) -> Block<'_> {
        Block(&self.0)
    }

    /// The last header of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.block().iter().filter(|(known, _)| *known == name).last().map(|(_, value)| value)
    }
}

/// A record to be appended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// The partition; chosen by the key's hash where none is named.
    pub partition: Option<u32>,
    /// Milliseconds since 1970; the log's clock where none is named.
    pub timestamp_ms: Option<i64>,
    /// The key: records of one key keep their order.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

impl NewRecord {
    /// A page of the ledger, as a record of the raw topic.
    #[must_use]
    pub fn of_page(page: &Page) -> Self {
        let boot = page.boot.as_bytes();
        Self {
            // One partition for all pages of a boot: they stay in order.
            key: Some(Bytes::copy_from_slice(boot)),
            value: serde_json::to_vec(page).ok().map(Into::into),
            headers: Headers::new([(KIND, &b"ledger"[..]), (INGEST, boot)]),
            ..Self::default()
        }
    }

    /// Bytes of key and value: what limits count.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// A record read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition.
    pub partition: u32,
    /// The offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

impl Record {
    /// Bytes of key and value: what limits count.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len)
    }
}
