//! Ingest and processing on Apache Kafka itself: one broker, whose CPU is its own.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use questline_events::headers::{APP_ID, CLIENT_IP, INGEST, RECEIVED_AT};
use questline_log_kafka::{KafkaLog, Settings};
use questline_process::GROUP;
use questline_runtime::clock::now_micros;
use questline_stores::{
    Headers, NewRecord, Topic,
    log::{Appender as _, Reader as _},
};
use questline_testing::Kafka;

use crate::{
    ingest::{Compared, Server, compare},
    load::{BODY_EVENTS, events},
    report::{line, promise},
};

/// Instances of processing that share the partitions, one measurement after the other.
const INSTANCES: [usize; 3] = [1, 2, 4];

/// What is promised: MB of Kafka's bytes a second and CPU, in every measurement, and MB of an instance.
const MEGABYTES_A_CPU: f64 = 20.0;
const RESIDENT: f64 = 256.0;

/// And of ingest: its speed beside the floor's, and until 99 of 100 receipts at half load.
const SPEED: f64 = 0.35;
const RECEIPTS: Duration = Duration::from_millis(100);

/// Records appended at a time.
const CHUNK: usize = 20_000;

pub(crate) fn run(rounds: usize, count: usize) -> anyhow::Result<()> {
    anyhow::ensure!(
        std::env::var_os("QUESTLINE_KAFKA").is_some(),
        "Apache Kafka is not at hand: start scripts/setup --tests, and set what it prints"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut slowest, mut largest) = (f64::INFINITY, 0.0_f64);
    for instances in INSTANCES {
        let folder = tempfile::tempdir()?;
        let kafka = Kafka::start(&folder.path().join("kafka"));
        let settings = Settings::at(&kafka.brokers());
        let (speed, memory) = runtime.block_on(async {
            KafkaLog::create_topics(&settings).await?;
            let log = KafkaLog::open(settings).await?;
            let bytes = fill(&log, count).await?;
            let start = |instance| {
                let data = folder.path().join(format!("data-{instance}"));
                Server::start("process", &data, &kafka.brokers())
            };
            let mut processors = (0..instances).map(start).collect::<anyhow::Result<Vec<_>>>()?;
            process(&log, &mut processors, count, bytes).await
        })?;
        slowest = slowest.min(speed);
        largest = largest.max(memory);
    }
    let folder = tempfile::tempdir()?;
    let kafka = Kafka::start(&folder.path().join("kafka"));
    runtime.block_on(KafkaLog::create_topics(&Settings::at(&kafka.brokers())))?;
    let Compared { speed, receipts } = compare(rounds, "ingest-kafka", &kafka.brokers())?;
    let told = format!("processing takes {MEGABYTES_A_CPU} MB/s a CPU at least: {slowest:.1}");
    promise(&told, slowest >= MEGABYTES_A_CPU);
    let told = format!("an instance has {RESIDENT} MB resident at most: {largest:.0}");
    promise(&told, largest <= RESIDENT);
    let told = format!("ingest has {SPEED} of the floor's speed at least: {speed:.3}");
    promise(&told, speed >= SPEED);
    let told = format!("99 of 100 receipts come within {RECEIPTS:?}: {} ms", receipts.as_millis());
    promise(&told, receipts <= RECEIPTS);
    Ok(())
}

/// Events as ingest would have stored them. Gives the bytes of their values.
async fn fill(log: &KafkaLog, count: usize) -> anyhow::Result<usize> {
    let now = now_micros();
    let (mut bytes, mut chunk) = (0, Vec::with_capacity(CHUNK));
    let mut headers = Headers::default();
    for (at, event) in events(3, now).take(count).enumerate() {
        if at % BODY_EVENTS == 0 {
            let address = format!("81.{}.{}.142", at / BODY_EVENTS % 200, at / BODY_EVENTS % 250);
            headers = Headers::new([
                (APP_ID, &b"local"[..]),
                (RECEIVED_AT, (now / 1_000).to_string().as_bytes()),
                (INGEST, b"01a20982-1dba-75f4-9fa6-a008a21f8156"),
                (CLIENT_IP, address.as_bytes()),
            ]);
        }
        bytes += event.len();
        chunk.push(NewRecord {
            key: Some((at / BODY_EVENTS).to_string().into()),
            value: Some(event.into()),
            headers: headers.clone(),
            ..NewRecord::default()
        });
        if chunk.len() == CHUNK || at + 1 == count {
            let chunk = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
            let stored = log.append(Topic::Raw, chunk).all_stored().await;
            anyhow::ensure!(stored, "Kafka did not store the events");
        }
    }
    Ok(bytes)
}

/// Waits until all is processed, and says what it took: gives MB a second and CPU, and the most MB of
/// an instance.
async fn process(
    log: &KafkaLog,
    processors: &mut [Server],
    count: usize,
    bytes: usize,
) -> anyhow::Result<(f64, f64)> {
    let (instances, partitions) = (processors.len(), Topic::Raw.partitions() as usize);
    line(&format!(
        "process on Kafka: {count} records, {} MB of values, {instances} instances, {} partitions each",
        bytes >> 20,
        partitions / instances
    ));
    let bar = ProgressBar::new(count as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec}")?);
    let ends: i64 = log.ends(Topic::Raw).await?.iter().sum();
    let started = Instant::now();
    let mut first = None;
    loop {
        // A broker that is busy answers the next time.
        let committed: i64 = log.committed(GROUP).await.iter().flatten().flatten().sum();
        bar.set_position(committed.unsigned_abs());
        if committed > 0 && first.is_none() {
            first = Some(Instant::now());
        }
        if committed >= ends {
            break;
        }
        for processor in &mut *processors {
            anyhow::ensure!(processor.works()?, "a processor ended");
        }
        anyhow::ensure!(started.elapsed() < Duration::from_secs(600), "not processed in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bar.finish_and_clear();
    let took = first.context("a first batch")?.elapsed().as_secs_f64();
    let (mut cpu, mut memory) = (0.0, 0.0_f64);
    for processor in processors {
        cpu += processor.cpu()?;
        memory = memory.max(processor.memory()?);
    }
    let speed = bytes as f64 / 1e6 / cpu;
    line(&format!("  Kafka bytes in to rows and records out: {speed:5.1} MB/s a CPU"));
    line(&format!("  in all {cpu:.1} s of CPU, {took:.1} s after the first batch"));
    line(&format!("  resident memory: {memory:.0} MB at most"));
    Ok((speed, memory))
}
