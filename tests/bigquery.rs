//! Processing on Apache Kafka and on BigQuery's streams (an emulator): two processes that join, leave,
//! are killed with -9, or stand still beyond their session and come back, while the broker is killed
//! too. Every record has one verdict, every event is one row, and every number is its recount.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use questline_events::headers::{APP_ID, INGEST, RECEIVED_AT};
use questline_log_kafka::{KafkaLog, Settings};
use questline_stores::{
    Headers, NewRecord, Topic,
    log::{Appender as _, Head, PROCESS_GROUP, Reader as _, behind},
    saved::{Ask as _, Question},
    warehouse::QueryLimits,
};
use questline_testing::{Bigquery, Kafka, long, seed, skip};
use questline_warehouse_bigquery::BigqueryWarehouse;
use support::{binary, event, now_micros};

/// Beyond the session of a member without a name of its own.
const STANDSTILL: Duration = Duration::from_secs(14);
const PATIENCE: Duration = Duration::from_secs(240);

/// Where processes find log and warehouse, and write what they have to say.
struct Place {
    variables: Vec<(&'static str, String)>,
    said: PathBuf,
}

impl Place {
    /// Starts a process of processing.
    fn start(&self) -> Process {
        let said = File::options().create(true).append(true).open(&self.said).unwrap();
        let mut command = Command::new(binary("questline-process"));
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (*name, value)));
        let command = command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        Process(command.spawn().unwrap())
    }
}

/// A process of processing. It is killed when it is dropped.
struct Process(Child);

impl Process {
    fn signal(&self, name: &str) {
        let (signal, process) = (format!("-{name}"), self.0.id().to_string());
        // One that has ended by itself hears nothing.
        _ = Command::new("kill").args([signal, process]).status();
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    fn end(mut self) {
        self.signal("TERM");
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Sends batches until it is told to stop; gives how many were sent. Each has 40 good events, of which one
/// comes twice, and a bad one; one that the log did not acknowledge whole is sent again.
async fn send(log: Arc<KafkaLog>, done: Arc<AtomicBool>) -> i64 {
    let mut batches = 0;
    while !done.load(Ordering::Relaxed) {
        let received_at = (now_micros() / 1_000).to_string();
        let headers = Headers::new([
            (APP_ID, &b"app"[..]),
            (RECEIVED_AT, received_at.as_bytes()),
            (INGEST, b"boot"),
        ]);
        let good = |n: i64| (n, event(&format!("{batches}-{n}")));
        let bad = (0, r#"{"id":"bad","user_id":"u","type":1001}"#.to_owned());
        let record = |(n, value): (i64, String)| NewRecord {
            key: Some((n % 7).to_string().into()),
            value: Some(value.into()),
            headers: headers.clone(),
            ..NewRecord::default()
        };
        let records = (0..40).map(good).chain([good(7), bad]).map(record).collect();
        if log.append(Topic::Raw, records).all_stored().await {
            batches += 1;
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    batches
}

async fn records(log: &KafkaLog, topic: Topic) -> i64 {
    let partitions: Vec<u32> = (0..topic.partitions()).collect();
    let mut seen = 0;
    let mut visit = |_: &Head| seen += 1;
    log.scan(topic, &partitions, 0, &mut visit).await.unwrap();
    seen
}

/// Waits until all is processed. A process that has ended is started again, as its platform would.
async fn processed(log: &KafkaLog, place: &Place, processes: &mut [Option<Process>; 2]) {
    let started = Instant::now();
    loop {
        for process in processes.iter_mut().flatten() {
            if process.has_ended() {
                *process = place.start();
            }
        }
        if let Ok(ends) = log.ends(Topic::Raw).await
            && let Ok(committed) = log.committed(PROCESS_GROUP).await
            && behind(&ends, &committed) == 0
        {
            return;
        }
        let told = || std::fs::read_to_string(&place.said).unwrap_or_default();
        assert!(started.elapsed() < PATIENCE, "not processed: {}", told());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What the tables say, in one row.
const TOLD: &str = "SELECT
    (SELECT COUNT(*) FROM events), (SELECT COUNT(DISTINCT event_id) FROM events),
    (SELECT COUNT(*) FROM events_dlq),
    (SELECT COUNT(*) FROM (
        SELECT DISTINCT source_partition, source_offset FROM events
        UNION ALL SELECT DISTINCT source_partition, source_offset FROM events_dlq)),
    (SELECT CAST(SUM(events) AS INT64) FROM events_agg_1min),
    (SELECT CAST(SUM(read) AS INT64) FROM ledger WHERE hop = 'process'),
    (SELECT CAST(SUM(accepted) AS INT64) FROM ledger WHERE hop = 'process'),
    (SELECT CAST(SUM(dead_lettered) AS INT64) FROM ledger WHERE hop = 'process')";

async fn told(warehouse: &BigqueryWarehouse) -> Vec<i64> {
    let question = Question { name: "told", bigquery: TOLD, duckdb: "", values: Vec::new() };
    let limits = QueryLimits { timeout: Duration::from_secs(60), rows: 10 };
    let answer = warehouse.ask(&question, limits).await.unwrap();
    answer.rows[0].iter().map(|number| number.as_i64().unwrap_or(-1)).collect()
}

/// What happens to the processes and the broker, one after the other.
async fn strike(
    place: &Place,
    kafka: &mut Kafka,
    processes: &mut [Option<Process>; 2],
    random: &mut fastrand::Rng,
    blow: u8,
) {
    let at = random.usize(0..2);
    let process = processes[at].take().unwrap();
    processes[at] = Some(match blow {
        // In order, and it comes again.
        0 => {
            process.end();
            place.start()
        }
        // A zombie, which goes on after the other has taken over.
        1 => {
            process.signal("STOP");
            tokio::time::sleep(STANDSTILL).await;
            process.signal("CONT");
            process
        }
        2 => {
            kafka.restart();
            process
        }
        // Drop is kill -9.
        _ => {
            drop(process);
            place.start()
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_has_one_verdict_whoever_is_killed() {
    let Some(emulator) = Bigquery::start_for_streams() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(&folder.path().join("kafka"));
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = Arc::new(KafkaLog::open(settings).await.unwrap());
    let place = Place {
        variables: vec![
            ("QUESTLINE_LOG", format!("kafka:{}", kafka.brokers())),
            ("QUESTLINE_WAREHOUSE", format!("bigquery:{}", Bigquery::DATASET)),
            ("QUESTLINE_BIGQUERY_REST", emulator.rest.clone()),
            ("QUESTLINE_BIGQUERY_GRPC", emulator.grpc.clone()),
            ("PORT", "0".to_owned()),
        ],
        said: folder.path().join("said"),
    };
    let rest = emulator.rest.clone();
    let variable = move |name: &str| (name == "QUESTLINE_BIGQUERY_REST").then(|| rest.clone());
    let warehouse = BigqueryWarehouse::open(Bigquery::DATASET, variable).await.unwrap();

    let mut random = fastrand::Rng::with_seed(seed());
    let mut blows: Vec<u8> = [0, 1, 2].into_iter().chain([3; 7]).collect();
    blows = blows.repeat(if long() { 4 } else { 1 });
    random.shuffle(&mut blows);
    let done = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(send(log.clone(), done.clone()));
    let mut processes = [Some(place.start()), Some(place.start())];
    for blow in &blows {
        tokio::time::sleep(Duration::from_millis(random.u64(500..5_000))).await;
        strike(&place, &mut kafka, &mut processes, &mut random, *blow).await;
    }
    done.store(true, Ordering::Relaxed);
    let batches = sending.await.unwrap();
    processed(&log, &place, &mut processes).await;
    let [rows, distinct, letters, positions, minutes, read, accepted, dead] =
        told(&warehouse).await.try_into().unwrap();
    let raw = records(&log, Topic::Raw).await;
    println!("{} blows, {raw} records, {rows} rows, {letters} letters", blows.len());
    assert!(batches > 100, "that was no load");
    assert_eq!((rows, distinct), (40 * batches, 40 * batches), "each event once");
    assert_eq!(positions, rows + letters, "each record once");
    assert_eq!(minutes, rows, "minutes");
    assert_eq!((read, accepted, dead), (raw, rows, letters), "the ledger");
    let produced = (records(&log, Topic::Enriched).await, records(&log, Topic::Dlq).await);
    assert_eq!(produced, (rows, letters), "what was judged was produced once");
    for process in processes.into_iter().flatten() {
        process.end();
    }
}
