//! Every limit of the system: a number, its unit, and why it is what it is.
//!
//! A limit is an answer that names it, never a crash. Those a deployment may need to move are
//! fields of [`Limits`]; the rest are constants that other promises are built on.

use std::time::Duration;

/// The limits of what a client may send. Configurable; [`Limits::default`] is the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request body as sent: one Kafka batch of 1 MiB holds it.
    pub body_bytes: usize,
    /// Bytes of a request body after decompression: bounds what a bomb can cost.
    pub decompressed_bytes: usize,
    /// Events in one request: bounds the receipts and the work between two answers.
    pub request_events: usize,
    /// Bytes of one event: far under the broker's largest message, headers included.
    pub event_bytes: usize,
    /// Nested objects and arrays in one event, the event itself being the first.
    pub json_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            decompressed_bytes: 8 << 20,
            request_events: 500,
            event_bytes: 32 << 10,
            json_depth: 32,
        }
    }
}

/// Unicode scalars of `id` and `user_id`.
pub const ID_SCALARS: usize = 128;

/// An event may be this far ahead of its `received_at`: clocks differ, an hour they do not.
pub const FUTURE_TOLERANCE_MICROS: i64 = 3_600 * 1_000_000;
/// An event may be this old: later it would vanish with its expired partition.
pub const MAX_AGE_MICROS: i64 = 365 * 86_400 * 1_000_000;
/// From this difference of `sent_at` and `received_at` on, the device's clock is corrected.
pub const CLOCK_SKEW_MICROS: i64 = 5 * 60 * 1_000_000;

/// Range of a `level_id` that is a number, on both sides of 0: every hash of 64 bits is within it,
/// and its text stays short.
pub const LEVEL_ID_MAX: f64 = 1e38;
/// Range of `moves_used`.
pub const MOVES_USED_MAX: i64 = 1_000_000;
/// Range of `time_seconds` and `duration_sec`: a day.
pub const SECONDS_MAX: f64 = 86_400.0;
/// Range of `price_usd`.
pub const PRICE_USD_MAX: f64 = 10_000.0;

/// How long an identity is remembered, by the log's timestamp.
pub const DEDUP_WINDOW: Duration = Duration::from_secs(15 * 60);
/// Identities a process remembers: about 90 MB.
pub const DEDUP_ENTRIES: usize = 3_500_000;

/// The brake looks at this much of an app's past.
pub const BRAKE_WINDOW: Duration = Duration::from_secs(5 * 60);
/// The brake needs this many events before it judges.
pub const BRAKE_MIN_EVENTS: u64 = 1_000;
/// Apps that the brake looks at: a key's are known, others' headers may name any number.
pub const BRAKE_APPS: usize = 10_000;
/// The brake is pulled past this share of dead letters, in percent.
pub const BRAKE_PERCENT: u64 = 20;

/// Ingest waits this long for the log to acknowledge, then answers `deferred`.
pub const DELIVERY_DEADLINE: Duration = Duration::from_secs(5);
/// What `Retry-After` tells a client whose events were deferred.
pub const RETRY_AFTER: Duration = Duration::from_secs(2);
/// A request's head must be complete after this long, also on a connection that is kept open.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A request's body must be complete after this long: 1 MiB at 35 KB/s.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections a server holds at a time.
pub const CONNECTIONS: usize = 4_096;
/// A platform gives this long between SIGTERM and SIGKILL (Cloud Run: 10 s).
pub const SHUTDOWN: Duration = Duration::from_secs(9);

/// Events a second that one write key may send, and its burst.
pub const KEY_EVENTS_PER_SECOND: u32 = 200_000;
/// Events a second that one address may send within a key, and its burst.
pub const ADDRESS_EVENTS_PER_SECOND: u32 = 5_000;
/// Addresses remembered for rate limiting; beyond it the idle ones are forgotten.
pub const ADDRESSES: usize = 100_000;

/// Bytes of a body beyond its limit that are still read, and thrown away: a connection
/// closed on a client that still writes would take the answer with it.
pub const DRAIN_BYTES: usize = 8 << 20;
/// Bytes waiting for the log before an append is refused at once: backpressure, not memory.
pub const APPEND_QUEUE_BYTES: usize = 64 << 20;
/// Bytes that a consumer of Kafka fetches ahead of processing: about one batch.
pub const FETCH_QUEUE_BYTES: usize = 4 << 20;
/// Bytes of one answer to a consumer of Kafka, as they are packed.
pub const FETCH_BYTES: usize = 512 << 10;
/// Bytes of a dead letter: a record as large as the raw topic takes, and its headers.
pub const LETTER_BYTES: usize = 2 << 20;
/// Bytes kept of a record's value. A topic's limit is on what is packed: what unpacks to more is no
/// event, and is cut, so that its letter fits and its partition goes on.
pub const RECORD_BYTES: usize = 1 << 20;
/// Bytes kept of a record's key.
pub const KEY_BYTES: usize = 64 << 10;
/// Bytes kept of a record's headers.
pub const HEADERS_BYTES: usize = 512 << 10;
/// Bytes beside them for the pipeline's own: a letter tells its reason, and one that was brought back
/// which letter it is, however full of others' headers it is.
pub const OWN_HEADERS_BYTES: usize = 64 << 10;
/// Bytes of one durable commit of the embedded log.
pub const COMMIT_BYTES: usize = 8 << 20;
/// How long a commit waits for others where the one before was shared: two groups of senders that
/// would take turns become one, and each has half the flushes to the disk.
pub const COMMIT_DELAY: Duration = Duration::from_micros(300);

/// Records of one processing batch.
pub const BATCH_RECORDS: usize = 16_384;
/// Bytes of one processing batch.
pub const BATCH_BYTES: usize = 12 << 20;
/// Records of a batch of which each table is one append, or of one from Kafka.
pub const STREAM_BATCH_RECORDS: usize = 6_144;
/// Bytes of their values; a row has some 400 bytes beside its texts.
pub const STREAM_BATCH_BYTES: usize = 3 << 20;
/// Bytes of an append: BigQuery takes 10 MB. A batch that comes to more is cut into halves.
pub const APPEND_BYTES: usize = 9 << 20;
/// The longest that a warehouse may take to answer one call.
pub const WAREHOUSE_CALL: Duration = Duration::from_secs(10);
/// A statement of a function to a warehouse in a cloud may take this long: there it may wait in line.
pub const WAREHOUSE_STATEMENT: Duration = Duration::from_secs(60);
/// A batch is closed this long after its first record was seen, so that rows show within 2 s.
pub const BATCH_LINGER: Duration = Duration::from_millis(400);

/// A letter is brought back this often, then it is parked.
pub const REPROCESS_ATTEMPTS: i64 = 5;
/// Letters that a run brings back a second, unless it is told otherwise.
pub const REPROCESS_RATE: u32 = 2_000;
/// Letters taken into memory at a time: each may be of [`LETTER_BYTES`].
pub const REPROCESS_PAGE: usize = 256;
/// Letters that one statement to a warehouse in a cloud gives, page by page: it reads all letters of its
/// days, whatever it gives, and an answer has at most 10 GB.
pub const REPROCESS_ANSWER: i64 = 4_096;
/// A run pauses while processing is this many records behind: live traffic goes first.
pub const REPROCESS_LAG: i64 = 10_000;
/// A call of reprocess ends after this long, unless it is told otherwise: the request of a
/// platform ends after 5 minutes.
pub const REPROCESS_CALL: Duration = Duration::from_secs(240);

/// Identities that a replay remembers, in time: twice processing's window, whose end depends on how
/// records fell into batches.
pub const REPLAY_WINDOW: Duration = Duration::from_secs(30 * 60);
/// A statement of a replay to a warehouse in a cloud may take this long: it looks through a year.
pub const REPLAY_STATEMENT: Duration = Duration::from_secs(30 * 60);
/// Between two words of how far a replay has come.
pub const REPLAY_TELLS: Duration = Duration::from_millis(200);

/// Bytes of a request that pushes records: the largest message of Pub/Sub, as base64.
pub const PUSH_BYTES: usize = 16 << 20;
/// A pushed record is kept within this time, or is to come again: under a push's own deadline.
pub const PUSH_PATIENCE: Duration = Duration::from_secs(8);

/// A boot that wrote no minute for this long without its closing mark is dead.
pub const BOOT_SILENCE: Duration = Duration::from_secs(3 * 60);

/// A query of a person may take this long.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// A query of a person may return this many rows.
pub const QUERY_ROWS: usize = 100_000;
/// Bytes that BigQuery may bill for a query of a person: a day of ten million events, with all of
/// their columns.
pub const QUERY_BYTES: i64 = 10 << 30;
/// Bytes that BigQuery may bill for a statement of a function. The ledger and a replay look through a
/// year of events, in few columns: of a hundred million a day that is less than 3 TiB. What has lost a
/// filter that it needs is to fail before it costs more than some 25 dollars.
pub const STATEMENT_BYTES: i64 = 4 << 40;

/// The page shows an answer this long before it asks again: however many look at it.
pub const DASHBOARD_FRESH: Duration = Duration::from_secs(4);
/// In the long run all its questions together take one part in so many of the time, where they slow
/// down who writes: answers are kept for as long as that needs.
pub const DASHBOARD_SHARE: u32 = 60;
/// But so much is put by, for who opens the page and while a new stack fills.
pub const DASHBOARD_PUT_BY: Duration = Duration::from_secs(12);
/// No answer is kept longer than this, whatever it took: it may only have waited for others.
pub const DASHBOARD_KEPT: Duration = Duration::from_secs(5 * 60);
/// An answer is kept this long where questions are paid by their bytes and slow nobody down.
pub const DASHBOARD_PAID: Duration = Duration::from_secs(60);
/// Answers kept at a time: the oldest makes way.
pub const DASHBOARD_ANSWERS: usize = 512;
/// Records of the log that the page's viewers read at a time: each may unpack a commit of the log.
pub const DASHBOARD_RECORDS: usize = 4;
/// Streams of the page at a time: each costs a question a second at most.
pub const DASHBOARD_STREAMS: usize = 16;
/// A stream rests this many times as long as its last look took.
pub const DASHBOARD_LOOK_SHARE: u32 = 40;
/// But no longer than this.
pub const DASHBOARD_LOOK_LONGEST: Duration = Duration::from_secs(10);
/// A stream of the page ends after this long, and is opened anew: a platform's request has an end.
pub const DASHBOARD_STREAM: Duration = Duration::from_secs(4 * 60);
/// Seconds of figures that a page sees when it is opened.
pub const DASHBOARD_SECONDS: usize = 300;

/// A failed step of the daily run is tried again this often.
pub const DAILY_RETRIES: u32 = 2;
/// And so long after it failed.
pub const DAILY_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);
/// A day whose minutes are not all closed so long after its end, and after they were first looked
/// for, is not ready, and that is a failure: at 03:00, called from 02:00 on.
pub const DAILY_PATIENCE: Duration = Duration::from_secs(3 * 3_600);
/// See [`DAILY_PATIENCE`].
pub const DAILY_WAIT: Duration = Duration::from_secs(3_600);
/// One step of the daily run may take this long: less than a request of its platform.
pub const DAILY_STEP: Duration = Duration::from_secs(13 * 60);
/// A step that has run for longer than any platform lets it was killed.
pub const DAILY_LEASE: Duration = Duration::from_secs(16 * 60);
/// A call of the daily run begins no step after this long: what is left is for the next call.
pub const DAILY_CALL: Duration = Duration::from_secs(10 * 60);
/// Stale days so old are rebuilt nightly, older ones weekly.
pub const DAILY_NIGHTLY_DAYS: i32 = 7;
/// Days whose events have expired are never rebuilt.
pub const DAILY_OLDEST_DAYS: i32 = 365;
/// Of the rows that break a quality check so many are kept.
pub const CHECK_ROWS: usize = 100;
/// Letters may be gone so many days after their records were received, where partitions expire.
pub const LETTER_DAYS: i32 = 90;
/// Events missing in the ledger of a day, per million: more stops export and training.
pub const RESIDUE_PER_MILLION: i64 = 100;

/// A call to AWS, all attempts together: a secret, a message.
pub const AWS_CALL: Duration = Duration::from_secs(10);
/// The keys by which Google signs tokens come within this time.
pub const IDENTITY_KEYS_CALL: Duration = Duration::from_secs(5);
/// Bytes of all of them: it has a handful, of less than 1 KiB each.
pub const IDENTITY_KEYS_BYTES: usize = 64 << 10;
/// They are kept this long: a key that Google has withdrawn verifies for no longer.
pub const IDENTITY_KEYS_KEPT: Duration = Duration::from_secs(6 * 3_600);
/// A key that is not among them is looked for this often at most, whoever names it.
pub const IDENTITY_KEYS_PAUSE: Duration = Duration::from_secs(60);
/// A caller's token may have expired this long ago: clocks differ.
pub const IDENTITY_LEEWAY: Duration = Duration::from_secs(60);

/// One attempt at a call to Google.
pub const GOOGLE_ATTEMPT: Duration = Duration::from_secs(10);
/// A call to Google is made again, while it is put off, for this long.
pub const GOOGLE_PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of a training job as Vertex AI shows it, the compiled pipeline in it.
pub const VERTEX_JOB_BYTES: usize = 8 << 20;
/// Bytes of the manifest of a day's features.
pub const MANIFEST_BYTES: usize = 1 << 20;
/// Bytes of the message that metrics are ready.
pub const READY_BYTES: usize = 64 << 10;
/// What is done about one such message ends after this long: Pub/Sub waits for a minute.
pub const TRAINING_CALL: Duration = Duration::from_secs(50);
/// A day's training is tried this often, each time it is asked for again.
pub const TRAINING_ATTEMPTS: u32 = 3;
/// A worker asks this often how its jobs stand.
pub const TRAINING_FOLLOW: Duration = Duration::from_secs(5 * 60);
/// Jobs of days this long ago are not followed any more: Vertex AI ends each within a week.
pub const TRAINING_FOLLOW_DAYS: i32 = 30;
/// Pub/Sub acknowledges a message within this time.
pub const PUBLISH_PATIENCE: Duration = Duration::from_secs(20);
