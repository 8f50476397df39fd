//! What every log does. Each case takes a log of its own.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    Headers, NewRecord, Record, Topic,
    log::{Appender, Committed, Consumer, Log, LogError, PollLimits, Polled, Reader, Transaction},
    replay::Past,
};

/// An open log. Dropping it, without more, is a crash of the process that had it.
pub struct OpenLog {
    /// Ingest's side.
    pub appender: Arc<dyn Appender>,
    /// The onlooker's side.
    pub reader: Arc<dyn Reader>,
    /// Replay's side, where it has one.
    pub past: Option<Arc<dyn Past>>,
    /// A member of a group.
    pub join: Join,
}

/// Joins the group of a name.
pub type Join = Box<dyn Fn(&str) -> Box<dyn Consumer>>;

/// What the cases ask of one poll.
pub const LIMITS: PollLimits = PollLimits {
    records: 1_000,
    bytes: 1 << 20,
    wait: Duration::from_millis(200),
    linger: Duration::ZERO,
};

fn record(key: &str, value: &str) -> NewRecord {
    NewRecord {
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..NewRecord::default()
    }
}

async fn append(log: &OpenLog, topic: Topic, records: Vec<NewRecord>) {
    assert!(log.appender.append(topic, records).all_stored().await);
}

/// Polls until `count` records came, or nothing more does.
async fn read(consumer: &mut dyn Consumer, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    for _ in 0..600 {
        records.extend(consumer.poll(LIMITS).await.unwrap().records);
        if records.len() >= count {
            break;
        }
    }
    records
}

/// One record through a log, by a member of its own.
///
/// # Panics
/// If the log does not serve.
pub async fn serves(log: &dyn Log) {
    let mut consumer = log.join("group").unwrap();
    there_and_back(log, &mut *consumer).await.unwrap();
}

/// One record through a log, there and back, and its offset in one transaction with another one.
///
/// # Errors
/// If the member can neither poll nor commit.
///
/// # Panics
/// If the record is not stored.
pub async fn there_and_back(
    log: &dyn Appender,
    consumer: &mut dyn Consumer,
) -> Result<(), LogError> {
    let record = record("k", "v");
    assert!(log.append(Topic::Raw, vec![record.clone()]).all_stored().await);
    let mut read = Vec::new();
    while read.is_empty() {
        read = consumer.poll(LIMITS).await?.records;
    }
    let offsets = vec![Committed {
        partition: read[0].partition,
        next_offset: read[0].offset + 1,
        metadata: "m".into(),
    }];
    consumer.commit(Transaction { records: vec![(Topic::Enriched, record)], offsets }).await
}

/// Offsets after the given records.
fn after(records: &[Record]) -> Vec<Committed> {
    let mut next = HashMap::new();
    for record in records {
        next.insert(record.partition, record.offset + 1);
    }
    next.into_iter()
        .map(|(partition, next_offset)| Committed { partition, next_offset, metadata: "m".into() })
        .collect()
}

/// Committed records of a topic. Its ends do not tell: transactions leave marks between them.
async fn count(log: &OpenLog, topic: Topic) -> Vec<(u32, usize)> {
    let partitions: Vec<u32> = (0..topic.partitions()).collect();
    let mut seen = std::collections::BTreeMap::new();
    let mut visit = |head: &crate::log::Head| *seen.entry(head.partition).or_default() += 1;
    log.reader.scan(topic, &partitions, 0, &mut visit).await.unwrap();
    seen.into_iter().collect()
}

/// Polls until partitions are ours.
///
/// # Panics
/// If none ever is.
pub async fn assigned(consumer: &mut dyn Consumer) -> Polled {
    for _ in 0..600 {
        let polled = consumer.poll(LIMITS).await.unwrap();
        if !polled.assigned.is_empty() {
            return polled;
        }
    }
    unreachable!("nothing was assigned")
}

fn values(records: &[Record]) -> Vec<&str> {
    records.iter().map(|r| std::str::from_utf8(r.value.as_deref().unwrap()).unwrap()).collect()
}

/// Runs every case. `open` opens the log of a name: a new one, or the one of that name again.
///
/// # Panics
/// If the log breaks the contract.
pub async fn suite(open: impl AsyncFn(&str) -> OpenLog) {
    records_come_back_as_they_went(&open("records").await).await;
    a_key_keeps_its_partition_and_order(&open("keys").await).await;
    many_appenders_lose_nothing(&open("appenders").await).await;
    a_transaction_is_all_or_nothing(&open, "transaction").await;
    what_was_not_committed_is_read_again(&open, "again").await;
    what_was_polled_is_committed_in_steps(&open, "steps").await;
    members_share_and_a_stale_one_is_fenced(&open("members").await).await;
    a_poll_lingers_for_more(&open("linger").await).await;
    heads_are_seen_from_a_time_on(&open("heads").await).await;
    a_record_is_found_by_its_position(&open("positions").await).await;
    a_range_of_time_is_read_again(&open("past").await).await;
    logs_are_told_apart(&open).await;
}

async fn records_come_back_as_they_went(log: &OpenLog) {
    let headers = Headers::new([("a", &b"1"[..]), ("b", b"\xff\x00"), ("a", b"2")]);
    let large = "x".repeat(32 << 10);
    let sent = vec![
        NewRecord { headers: headers.clone(), timestamp_ms: Some(5), ..record("k", "v") },
        NewRecord { partition: Some(63), key: None, value: None, ..NewRecord::default() },
        NewRecord { partition: Some(63), headers, ..record("", "") },
        NewRecord { partition: Some(63), ..record("large", &large) },
    ];
    append(log, Topic::Raw, sent.clone()).await;
    let mut consumer = (log.join)("group");
    let mut read = read(&mut *consumer, sent.len()).await;
    read.sort_by_key(|record| (record.partition != 63, record.offset));
    assert_eq!(read.len(), sent.len());
    for (read, sent) in read.iter().zip([&sent[1], &sent[2], &sent[3], &sent[0]]) {
        assert_eq!(
            (&read.key, &read.value, &read.headers),
            (&sent.key, &sent.value, &sent.headers)
        );
        assert!(sent.timestamp_ms.is_none_or(|sent| sent == read.timestamp_ms));
        assert!(sent.timestamp_ms.is_some() || read.timestamp_ms > 1_700_000_000_000);
    }
    assert_eq!(read[..3].iter().map(|r| r.offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(read[3].headers.get("a"), Some(&b"2"[..]), "the last header of a name counts");
    let ends = log.reader.ends(Topic::Raw).await.unwrap();
    assert_eq!((ends.len(), ends[63], ends.iter().sum::<i64>()), (64, 3, 4));
}

async fn a_key_keeps_its_partition_and_order(log: &OpenLog) {
    for n in 0..10 {
        let records = (0..40).map(|key| record(&format!("user-{key}"), &n.to_string())).collect();
        append(log, Topic::Raw, records).await;
    }
    let records = read(&mut *(log.join)("group"), 400).await;
    assert_eq!(records.len(), 400);
    let mut by_key: HashMap<Bytes, Vec<Record>> = HashMap::new();
    for record in records {
        by_key.entry(record.key.clone().unwrap()).or_default().push(record);
    }
    assert_eq!(by_key.len(), 40);
    for records in by_key.values() {
        assert_eq!(values(records), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert!(records.iter().all(|record| record.partition == records[0].partition));
    }
    let used: std::collections::HashSet<_> = by_key.values().map(|r| r[0].partition).collect();
    assert!(used.len() > 16, "keys are spread");
}

async fn many_appenders_lose_nothing(log: &OpenLog) {
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let appender = log.appender.clone();
            tokio::spawn(async move {
                for n in 0..25 {
                    let records = vec![record("k", &format!("{task}-{n}")), record("l", "")];
                    assert!(appender.append(Topic::Raw, records).all_stored().await);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let records = read(&mut *(log.join)("group"), 1_000).await;
    let mut seen: Vec<_> = values(&records).into_iter().filter(|value| !value.is_empty()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((records.len(), seen.len()), (1_000, 500));
}

async fn a_transaction_is_all_or_nothing(open: &impl AsyncFn(&str) -> OpenLog, name: &str) {
    let log = open(name).await;
    append(&log, Topic::Raw, vec![record("k", "1"), record("l", "2")]).await;
    let mut consumer = (log.join)("group");
    let records = read(&mut *consumer, 2).await;
    let enriched = NewRecord { partition: Some(7), ..record("k", "enriched") };
    let letter = record("k", "letter");
    let produce = vec![(Topic::Enriched, enriched), (Topic::Dlq, letter)];
    let transaction = Transaction { records: produce, offsets: after(&records) };
    consumer.commit(transaction).await.unwrap();
    drop((consumer, log));

    let log = open(name).await;
    assert_eq!(count(&log, Topic::Enriched).await, [(7, 1)]);
    assert_eq!(count(&log, Topic::Dlq).await.len(), 1);
    let committed = log.reader.committed("group").await.unwrap();
    assert_eq!(committed.iter().flatten().sum::<i64>(), 2);
    assert_eq!(log.reader.committed("other").await.unwrap().iter().flatten().count(), 0);
    let mut consumer = (log.join)("group");
    let first = assigned(&mut *consumer).await;
    assert_eq!(first.assigned.len(), 64);
    let kept = first.assigned.iter().filter(|p| p.metadata == "m" && p.next_offset == 1);
    assert_eq!(kept.count(), 2);
    assert_eq!(consumer.poll(LIMITS).await.unwrap().records.len(), 0, "nothing is read twice");
}

async fn what_was_not_committed_is_read_again(open: &impl AsyncFn(&str) -> OpenLog, name: &str) {
    let log = open(name).await;
    append(&log, Topic::Raw, (0..10).map(|n| record("k", &n.to_string())).collect()).await;
    let mut consumer = (log.join)("group");
    let records = read(&mut *consumer, 10).await;
    let offsets = after(&records[..4]);
    consumer.commit(Transaction { records: Vec::new(), offsets }).await.unwrap();
    drop((consumer, log));
    let log = open(name).await;
    let mut consumer = (log.join)("group");
    let again = read(&mut *consumer, 6).await;
    assert_eq!(values(&again), ["4", "5", "6", "7", "8", "9"]);
    let mut newcomer = (log.join)("another");
    assert_eq!(read(&mut *newcomer, 10).await.len(), 10, "a new group begins at the earliest");
}

/// First what is said of a batch at its unchanged offset, then the batch.
async fn what_was_polled_is_committed_in_steps(open: &impl AsyncFn(&str) -> OpenLog, name: &str) {
    for round in 0..2 {
        let log = open(name).await;
        append(&log, Topic::Raw, vec![record("k", "1")]).await;
        let mut consumer = (log.join)("group");
        let records = read(&mut *consumer, 1).await;
        let commit = after(&records);
        let said = commit.iter().map(|commit| Committed {
            next_offset: commit.next_offset - 1,
            metadata: format!("declared {round}"),
            ..commit.clone()
        });
        let said: Vec<_> = said.collect();
        let declare = Transaction { records: Vec::new(), offsets: said.clone() };
        consumer.commit(declare).await.unwrap();
        drop((consumer, log));
        let log = open(name).await;
        let mut consumer = (log.join)("group");
        let mut polled = assigned(&mut *consumer).await;
        let kept = polled.assigned.iter().find(|p| p.partition == said[0].partition).unwrap();
        let expected = (said[0].next_offset, &said[0].metadata);
        assert_eq!((kept.next_offset, &kept.metadata), expected);
        if polled.records.is_empty() {
            polled.records = read(&mut *consumer, 1).await;
        }
        for offsets in [said, commit] {
            let transaction = Transaction { records: vec![], offsets };
            consumer.commit(transaction).await.unwrap();
        }
    }
}

/// One of two members of a group, and what came of its polls.
struct Share {
    consumer: Box<dyn Consumer>,
    owned: std::collections::BTreeSet<u32>,
    records: Vec<Record>,
}

impl Share {
    async fn poll(&mut self) {
        let polled = self.consumer.poll(LIMITS).await.unwrap();
        for partition in &polled.revoked {
            self.owned.remove(partition);
        }
        // Whoever has them now reads them again.
        self.records.retain(|record| !polled.revoked.contains(&record.partition));
        self.owned.extend(polled.assigned.iter().map(|assigned| assigned.partition));
        self.records.extend(polled.records);
    }

    async fn commit(&mut self, produce: Vec<(Topic, NewRecord)>) -> Result<(), LogError> {
        let transaction = Transaction { records: produce, offsets: after(&self.records) };
        self.consumer.commit(transaction).await
    }
}

/// Whatever the order of joining, polling, committing and leaving: no partition has two owners, and
/// what one has committed nobody reads again. Logs differ in when a newcomer gets its share: the
/// embedded one at once, which fences the other; Kafka when that has heard of it, and has settled.
async fn members_share_and_a_stale_one_is_fenced(log: &OpenLog) {
    let join = || Share {
        consumer: (log.join)("group"),
        owned: std::collections::BTreeSet::new(),
        records: Vec::new(),
    };
    append(log, Topic::Raw, (0..64).map(|n| record(&n.to_string(), "old")).collect()).await;
    let mut one = join();
    one.records = read(&mut *one.consumer, 64).await;
    one.owned = (0..64).collect();
    let mut two = join();
    for _ in 0..10 {
        two.poll().await;
    }
    let committed = one.commit(vec![(Topic::Enriched, record("k", "stale"))]).await;
    assert!(matches!(committed, Ok(()) | Err(LogError::Fenced)), "{committed:?}");
    let settled = if committed.is_ok() { one.records.len() } else { 0 };
    assert!(settled == 0 || two.owned.is_empty(), "a stale owner does not commit");
    assert_eq!(count(log, Topic::Enriched).await.len(), usize::from(settled > 0));
    one.records.clear();
    for _ in 0..600 {
        one.poll().await;
        two.poll().await;
        let all = one.records.len() + two.records.len() + settled;
        if all >= 64 && (one.owned.len(), two.owned.len()) == (32, 32) {
            break;
        }
    }
    assert_eq!((one.owned.len(), two.owned.len()), (32, 32));
    assert!(one.owned.is_disjoint(&two.owned));
    assert_eq!(one.records.len() + two.records.len() + settled, 64, "each record has one owner");
    if !two.records.is_empty() {
        two.commit(Vec::new()).await.unwrap();
    }
    drop(two);
    for _ in 0..600 {
        one.poll().await;
        if one.owned.len() == 64 {
            break;
        }
    }
    assert_eq!(one.owned.len(), 64);
    let of_one = one.records.len();
    append(log, Topic::Raw, (0..64).map(|n| record(&n.to_string(), "new")).collect()).await;
    for _ in 0..600 {
        one.poll().await;
        if one.records.len() >= of_one + 64 {
            break;
        }
    }
    let fresh = values(&one.records[of_one..]).into_iter().filter(|value| *value == "new").count();
    assert_eq!((fresh, one.records.len() - of_one), (64, 64), "what was committed stays so");
}

async fn a_poll_lingers_for_more(log: &OpenLog) {
    let mut consumer = (log.join)("group");
    assigned(&mut *consumer).await;
    append(log, Topic::Raw, vec![record("k", "1")]).await;
    let appender = log.appender.clone();
    let more = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(appender.append(Topic::Raw, vec![record("k", "2")]).all_stored().await);
    });
    let long = Duration::from_secs(30);
    let patient = PollLimits { wait: long, linger: long, records: 2, ..LIMITS };
    let polled = consumer.poll(patient).await.unwrap();
    assert_eq!(values(&polled.records), ["1", "2"]);
    more.await.unwrap();
}

async fn heads_are_seen_from_a_time_on(log: &OpenLog) {
    for n in 0..100_i64 {
        let headers = Headers::new([("n", n.to_string().as_bytes())]);
        let partition = u32::try_from(n % 3).ok();
        let timestamp_ms = Some(1_000 + n);
        let record = NewRecord { partition, timestamp_ms, headers, ..record("k", "v") };
        append(log, Topic::Enriched, vec![record]).await;
    }
    let mut seen = Vec::new();
    let mut visit = |head: &crate::log::Head| {
        let n = std::str::from_utf8(head.headers.get("n").unwrap()).unwrap().to_owned();
        seen.push((head.partition, head.timestamp_ms, n));
    };
    log.reader.scan(Topic::Enriched, &[0, 2], 1_090, &mut visit).await.unwrap();
    seen.sort();
    let expected: Vec<_> = [90, 93, 96, 99, 92, 95, 98]
        .map(|n: i64| (u32::try_from(n % 3).unwrap(), 1_000 + n, n.to_string()))
        .into();
    assert_eq!(seen, expected);
}

async fn a_record_is_found_by_its_position(log: &OpenLog) {
    let headers = Headers::new([("a", &b"\xff\x00"[..])]);
    for n in 0..10_i64 {
        let place = |partition: u32| NewRecord {
            partition: Some(partition),
            timestamp_ms: Some(1_000 + n),
            headers: headers.clone(),
            ..record("k", &format!("{partition}/{n}"))
        };
        append(log, Topic::Raw, [5, 63, 5].map(place).into()).await;
    }
    for (partition, offset) in [(5, 0), (5, 7), (5, 19), (63, 0), (63, 9)] {
        let found = log.reader.record(partition, offset).await.unwrap().unwrap();
        let n = if partition == 5 { offset / 2 } else { offset };
        assert_eq!(values(std::slice::from_ref(&found)), [format!("{partition}/{n}")]);
        let told = (found.partition, found.offset, found.timestamp_ms, found.headers);
        assert_eq!(told, (partition, offset, 1_000 + n, headers.clone()));
    }
    for (partition, offset) in [(5, 20), (63, 10), (0, 0), (5, i64::MAX), (5, -1), (64, 0)] {
        assert_eq!(log.reader.record(partition, offset).await.unwrap(), None, "{offset}");
    }
}

/// The records of a range of time, sorted: partitions, offsets, values.
async fn past(log: &dyn Past, from_ms: i64, to_ms: i64) -> Vec<(u32, i64, String)> {
    let from = log.offsets_at(from_ms).await.unwrap();
    let to = log.offsets_at(to_ms).await.unwrap();
    let mut pages = log.read(from.into_iter().zip(to).map(|(from, to)| from..to).collect());
    let (mut found, mut last) = (Vec::new(), HashMap::new());
    while let Some(page) = pages.recv().await {
        for record in page.unwrap() {
            let before = last.insert(record.partition, record.offset);
            assert!(before.is_none_or(|before| before < record.offset), "in their order");
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            found.push((record.partition, record.offset, value));
        }
    }
    found.sort();
    found
}

async fn a_range_of_time_is_read_again(log: &OpenLog) {
    let Some(again) = &log.past else { return };
    assert_eq!(past(&**again, 0, i64::MAX / 2).await, [], "of an empty log");
    for n in 0..90_i64 {
        let partition = u32::try_from(n % 3).ok();
        let timestamp_ms = Some(1_000_000 + n);
        let record = NewRecord { partition, timestamp_ms, ..record("k", &n.to_string()) };
        append(log, Topic::Raw, vec![record]).await;
    }
    let all = past(&**again, 0, i64::MAX / 2).await;
    assert_eq!(all.len(), 90);
    assert_eq!(past(&**again, 1_000_000, 1_000_090).await, all);
    let expected: Vec<_> = (10..14_i64)
        .map(|n| (u32::try_from(n % 3).unwrap(), n / 3, n.to_string()))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(past(&**again, 1_000_010, 1_000_014).await, expected);
    assert_eq!(past(&**again, 1_000_090, 2_000_000).await, []);
    assert_eq!(past(&**again, 0, 1_000_000).await, []);
    // One moment's end is another's beginning, whatever the order in which records came.
    for n in [5_i64, 3, 9, 1, 7] {
        let record = NewRecord {
            partition: Some(0),
            timestamp_ms: Some(2_000_000 + n),
            ..record("k", &n.to_string())
        };
        append(log, Topic::Raw, vec![record]).await;
    }
    let mut parts = 0;
    for n in 0..11 {
        parts += past(&**again, 2_000_000 + n, 2_000_001 + n).await.len();
    }
    assert_eq!(parts, 5);
    let mut heard = again.read(vec![0..1; 64]);
    drop(heard.recv().await);
    drop(heard);
}

async fn logs_are_told_apart(open: &impl AsyncFn(&str) -> OpenLog) {
    let id = async |name| open(name).await.reader.log_id().to_owned();
    let first = id("one").await;
    assert_eq!(first, id("one").await);
    assert_ne!(first, id("two").await);
}
