//! The headers of a record, and what the core needs of them.

use std::net::IpAddr;

use crate::{
    limits::{HEADERS_BYTES, OWN_HEADERS_BYTES},
    time::MOMENTS,
};

/// The app that the write key belongs to.
pub const APP_ID: &str = "app_id";
/// Milliseconds since 1970 when ingest received the request.
pub const RECEIVED_AT: &str = "received_at";
/// The client's address.
pub const CLIENT_IP: &str = "client_ip";
/// The body's `sent_at`, as sent.
pub const SENT_AT: &str = "sent_at";
/// `1` if the write key is marked server-to-server.
pub const S2S: &str = "s2s";
/// Boot id of the ingest instance.
pub const INGEST: &str = "ingest";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// `ledger` on records that are no events but ingest's book of a minute.
pub const KIND: &str = "kind";
/// How often a dead letter was brought back; on dead letters always, 0 before the first time.
pub const ATTEMPTS: &str = "attempts";
/// When a dead letter was brought back; such a record is counted as the reprocess hop's.
pub const REPROCESSED_AT: &str = "reprocessed_at";
/// On records that were brought back: the letter's identity, see [`crate::letter::identity`].
pub const LETTER: &str = "letter";
/// On records that were brought back: the run that did it.
pub const RUN: &str = "run";
/// On enriched records: the keyed hash of (app_id, id).
pub const IDENTITY: &str = "identity";
/// On dead letters: the entry of the closed list.
pub const REASON: &str = "reason";
/// On dead letters: the member at fault.
pub const DETAIL: &str = "detail";
/// On dead letters: `1` if the brake was pulled.
pub const HELD: &str = "held";
/// On dead letters: the raw record's `log id/topic/partition/offset`.
pub const SOURCE: &str = "source";
/// On dead letters: milliseconds since 1970 when the letter was written.
pub const FAILED_AT: &str = "failed_at";
/// On dead letters: the release that wrote it.
pub const FUNCTION_VERSION: &str = "function_version";

/// Those that the pipeline itself leans on, which have room of their own.
const OWN: [&str; 19] = [
    APP_ID,
    RECEIVED_AT,
    CLIENT_IP,
    SENT_AT,
    S2S,
    INGEST,
    TRACEPARENT,
    KIND,
    ATTEMPTS,
    REPROCESSED_AT,
    LETTER,
    RUN,
    IDENTITY,
    REASON,
    DETAIL,
    HELD,
    SOURCE,
    FAILED_AT,
    FUNCTION_VERSION,
];

/// A record's headers as one block of bytes: length, name, length, value, and so on. Records of a
/// request share a block, so that it is written, compared and read once for all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Block<'a>(pub &'a [u8]);

impl<'a> Block<'a> {
    /// Appends one header to a block. Names and values of more than 64 KiB are cut; a block that is
    /// full takes no more of others' headers.
    pub fn push(block: &mut Vec<u8>, name: &str, value: &[u8]) {
        let bytes = block.len() + name.len() + value.len();
        let own = || bytes <= HEADERS_BYTES + OWN_HEADERS_BYTES && OWN.contains(&name);
        if bytes > HEADERS_BYTES && !own() {
            return;
        }
        for part in [name.as_bytes(), value] {
            let part = &part[..part.len().min(usize::from(u16::MAX))];
            block.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
            block.extend_from_slice(part);
        }
    }

    /// The headers in order. A damaged block ends where the damage is.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let name = part(&mut rest)?;
            Some((std::str::from_utf8(name).ok()?, part(&mut rest)?))
        })
    }
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<2>()?;
    let (part, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *rest = tail;
    Some(part)
}

/// What one record's headers say. Records of a request share it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The app; without it an event is `missing_app`.
    pub app_id: Option<&'a str>,
    /// Microseconds since 1970: the header, or else the log's timestamp.
    pub received_at: i64,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The client's clock when it sent the request, in microseconds since 1970.
    pub sent_at: Option<i64>,
    /// The sender is a game server, which may name its player's address.
    pub server_to_server: bool,
    /// Boot id of the ingest instance.
    pub boot: Option<&'a str>,
    /// The record is a page of ingest's ledger.
    pub ledger: bool,
    /// How often the record was brought back from the dead letters.
    pub attempts: i64,
    /// The record was brought back from the dead letters.
    pub reprocessed: bool,
    /// The identity of the letter that was brought back.
    pub letter: Option<&'a str>,
    /// The run that brought it back.
    pub run: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    /// Reads the headers of one record; `log_time_ms` stands in for a missing `received_at`.
    #[must_use]
    pub fn read(headers: Block<'a>, log_time_ms: i64) -> Self {
        let log_time = log_time_ms.saturating_mul(1_000).clamp(0, MOMENTS.end - 1);
        let mut envelope = Self { received_at: log_time, ..Self::default() };
        for (name, value) in headers.iter() {
            let Ok(text) = std::str::from_utf8(value) else { continue };
            match name {
                APP_ID => envelope.app_id = Some(text).filter(|app| !app.is_empty()),
                RECEIVED_AT => envelope.received_at = moment(text).unwrap_or(envelope.received_at),
                CLIENT_IP => envelope.address = text.parse().ok(),
                SENT_AT => envelope.sent_at = crate::time::parse(text),
                S2S => envelope.server_to_server = text == "1",
                INGEST => envelope.boot = Some(text),
                KIND => envelope.ledger = text == "ledger",
                ATTEMPTS => envelope.attempts = text.parse().unwrap_or(0),
                REPROCESSED_AT => envelope.reprocessed = true,
                LETTER => envelope.letter = Some(text),
                RUN => envelope.run = Some(text),
                _ => {}
            }
        }
        envelope
    }
}

/// What [`RECEIVED_AT`] says, in microseconds since 1970. One in another unit is no moment: a
/// warehouse would refuse its rows, and its partition would go no further.
#[must_use]
pub fn moment(text: &str) -> Option<i64> {
    let micros = text.parse::<i64>().ok()?.checked_mul(1_000)?;
    MOMENTS.contains(&micros).then_some(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(headers: &[(&str, &[u8])]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in headers {
            Block::push(&mut block, name, value);
        }
        block
    }

    #[test]
    fn a_block_gives_back_what_was_pushed() {
        let headers = [("a", &b"1"[..]), ("", b""), ("b", b"\xff")];
        let bytes = block(&headers);
        assert_eq!(Block(&bytes).iter().collect::<Vec<_>>(), headers);
        for end in 0..bytes.len() {
            assert!(Block(&bytes[..end]).iter().count() < 3, "cut at {end}");
        }
    }

    #[test]
    fn a_full_block_has_room_for_the_pipelines_own() {
        let foreign = [b'x'; 60_000];
        let mut bytes = Vec::new();
        for _ in 0..20 {
            Block::push(&mut bytes, "foreign", &foreign);
        }
        Block::push(&mut bytes, LETTER, b"log/5/7");
        Block::push(&mut bytes, ATTEMPTS, b"2");
        // Read again, as from a log.
        let again = Block(&bytes).iter().collect::<Vec<_>>();
        let again = block(&again);
        assert!(again.len() <= HEADERS_BYTES + OWN_HEADERS_BYTES, "{}", again.len());
        let envelope = Envelope::read(Block(&again), 0);
        assert_eq!((envelope.letter, envelope.attempts), (Some("log/5/7"), 2));
        assert!(Block(&again).iter().any(|(name, _)| name == "foreign"));
    }

    #[test]
    fn unreadable_headers_fall_back() {
        let bytes =
            block(&[(APP_ID, b""), (RECEIVED_AT, b"soon"), (CLIENT_IP, b"::1"), (S2S, b"0")]);
        let envelope = Envelope::read(Block(&bytes), 7);
        let expected =
            Envelope { received_at: 7_000, address: "::1".parse().ok(), ..Envelope::default() };
        assert_eq!(envelope, expected);
    }

    #[test]
    fn no_moment_is_one_that_a_warehouse_refuses() {
        let now = 1_795_435_200_000;
        let of = |text: &str, log_time_ms| {
            let bytes = block(&[(RECEIVED_AT, text.as_bytes())]);
            Envelope::read(Block(&bytes), log_time_ms).received_at
        };
        // Microseconds, nanoseconds, and what leaves no room for its minute.
        for other in ["1795435200000000", "1795435200000000000", "-9223372036854775", "-1"] {
            assert_eq!(of(other, now), now * 1_000, "{other}");
        }
        assert_eq!(of("1795435140000", now), (now - 60_000) * 1_000);
        for (log_time_ms, expected) in [(i64::MIN, 0), (i64::MAX, MOMENTS.end - 1)] {
            assert_eq!(of("", log_time_ms), expected);
        }
    }
}
