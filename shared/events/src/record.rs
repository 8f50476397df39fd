//! A record of the raw topic, as the core sees it.

use crate::headers::{Block, Envelope};

/// One record of the raw topic.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Partition of the raw topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: i64,
    /// The log's timestamp, milliseconds since 1970.
    pub log_time_ms: i64,
    /// The key as sent.
    pub key: Option<&'a [u8]>,
    /// The value as sent; none on a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers as sent.
    pub headers: Block<'a>,
    /// What the headers say.
    pub envelope: Envelope<'a>,
}
