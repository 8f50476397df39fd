//! A range of the log judged anew: nothing doubles, nothing vanishes, and midway nothing has changed.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    fs::{self, File},
    io::Write as _,
    ops::Range,
    path::Path,
    process::Command,
    sync::{Arc, LazyLock, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use questline_environment::Rulebook;
use questline_events::{
    Day,
    headers::{APP_ID, RECEIVED_AT},
    time::text,
};
use questline_log_sqlite::SqliteLog;
use questline_process::replay::{Failure, Replay, Report, Request};
use questline_runtime::{
    clock::{SystemClock, now_micros},
    config::Env,
};
use questline_stores::{
    Headers, NewRecord, Topic,
    log::{Appender as _, Log as _, LogError, Reader as _},
    replay::{Pages, Past},
    saved::{Ask, Question},
    warehouse::QueryLimits,
};
use questline_testing::{Bigquery, skip};
use questline_warehouse_duckdb::FILE;
use serde_json::{Value, json};
use support::Stage;
use tokio::sync::mpsc;

const MINUTE: i64 = 60_000;

/// Yesterday's noon, in milliseconds.
fn noon() -> i64 {
    static TODAY: LazyLock<Day> = LazyLock::new(|| Day::of(now_micros()));
    TODAY.start() / 1_000 - 12 * 60 * MINUTE
}

fn moment(ms: i64) -> String {
    text(ms * 1_000)
}

/// The release at fault: no level fits.
fn faulty(folder: &Path) -> Rulebook {
    let shipped = include_str!("../../../shared/events/registry.json");
    let faulty = shipped.replace(r#""required": ["level_id"]"#, r#""required": ["level"]"#);
    let path = folder.join("registry.json");
    fs::write(&path, faulty).unwrap();
    Rulebook::read(&Env::of([("QUESTLINE_REGISTRY", path.to_str().unwrap())])).unwrap()
}

const STANDING: &str = "SELECT source_offset, event_id FROM events
    UNION ALL SELECT source_offset, reason FROM events_dlq ORDER BY 1";
const RESIDUE: &str = "SELECT hop, residue FROM ledger_residue WHERE residue <> 0";

struct Scene {
    stage: Stage,
    log: SqliteLog,
}

impl Scene {
    fn open(directory: &Path) -> Self {
        let log = SqliteLog::open(directory).unwrap();
        Self { stage: Stage::on(Arc::new(log.clone()), directory), log }
    }

    /// Appends what came to one partition at some minute of yesterday, counted from noon.
    async fn append(&self, minute: i64, events: &[&str]) {
        let at = noon() + minute * MINUTE;
        let received_at = at.to_string();
        let headers =
            Headers::new([(APP_ID, &b"local"[..]), (RECEIVED_AT, received_at.as_bytes())]);
        let record = |event: &&str| NewRecord {
            partition: Some(5),
            timestamp_ms: Some(at),
            value: Some(event.replace("AT", &moment(at)).into()),
            headers: headers.clone(),
            ..NewRecord::default()
        };
        let records = events.iter().map(record).collect();
        assert!(self.log.append(Topic::Raw, records).all_stored().await);
    }

    fn replay_by(&self, rulebook: Rulebook, past: Arc<dyn Past>) -> Replay {
        let (log, warehouse) = (Arc::new(self.log.clone()), Arc::new(self.stage.warehouse.clone()));
        Replay::new(rulebook, log, past, warehouse, SystemClock::shared())
    }

    /// Replays some minutes, counted from noon.
    async fn replay(&self, minutes: Range<i64>, archive: Option<&Path>) -> Result<Report, Failure> {
        let replay = self.replay_by(self.stage.rulebook.clone(), Arc::new(self.log.clone()));
        let plan = replay.plan(&request(minutes, archive)).await?;
        plan.carry_out(|_| {}).await
    }

    /// Rows of events and letters, in the order of the log.
    async fn standing(&self) -> String {
        self.stage.rows(STANDING).await
    }

    async fn residue(&self) -> String {
        self.stage.rows(RESIDUE).await
    }
}

fn request(minutes: Range<i64>, archive: Option<&Path>) -> Request {
    let at = |minute: i64| moment(noon() + minute * MINUTE);
    let request = json!({ "from": at(minutes.start), "to": at(minutes.end), "archive": archive });
    serde_json::from_value(request).unwrap()
}

fn session(id: &str) -> String {
    format!(r#"{{"id":"{id}","user_id":"u","timestamp":"AT","type":3002}}"#)
}

fn level(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","user_id":"u","timestamp":"AT","type":1001,"parameters":{{"level_id":7}}}}"#
    )
}

const OUTCOMES: fn(&Report) -> [u64; 4] =
    |report| [report.read, report.accepted, report.duplicate, report.dead_lettered];

/// What a release at fault made of a morning's events.
async fn morning(scene: &Scene) {
    let (early, w, s) = (session("early"), session("w"), session("s"));
    let (l, m) = (level("l"), level("m"));
    // A copy of what came before the range, one of what came in it, of a letter, and rubbish.
    for (minute, events) in [
        (-20, &[&*early][..]),
        (-5, &[&*w]),
        (1, &[&*w, &*l, &*s, &*l, &*s, "{"]),
        (9, &[&*early]),
        (11, &[&*m, &*s]),
    ] {
        scene.append(minute, events).await;
        scene.stage.process().await;
    }
}

/// What a release that is mended makes of it, of the first ten minutes.
const MENDED: &str = r#"[[0,"early"],[1,"w"],[3,"l"],[4,"s"],[5,"l"],[7,"malformed_json"],[8,"early"],[9,"invalid_parameters"]]"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_become_events_and_copies_stay_copies() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::open(folder.path());
    let mended = std::mem::replace(&mut scene.stage.rulebook, faulty(folder.path()));
    morning(&scene).await;
    let fate = "invalid_parameters";
    let before = format!(
        r#"[[0,"early"],[1,"w"],[3,"{fate}"],[4,"s"],[5,"{fate}"],[7,"malformed_json"],[8,"early"],[9,"{fate}"]]"#
    );
    assert_eq!(scene.standing().await, before, "2, 6 and 10 are copies");

    // The same release once more: nothing moves.
    let same = scene.replay(0..10, None).await.unwrap();
    assert_eq!((OUTCOMES(&same), same.rows_before, same.rows_after), ([7, 2, 2, 3], 5, 5));
    assert_eq!(scene.standing().await, before);

    scene.stage.rulebook = mended;
    for _ in 0..2 {
        let report = scene.replay(0..10, None).await.unwrap();
        assert_eq!(OUTCOMES(&report), [7, 4, 2, 1]);
        assert_eq!(report.days, [Day::of(noon() * 1_000)]);
        assert_eq!(scene.standing().await, MENDED);
        assert_eq!(scene.residue().await, "[]", "every position that the ledger counts is there");
    }
    let unique = "SELECT event_id FROM events_unique ORDER BY 1";
    assert_eq!(scene.stage.rows(unique).await, r#"[["early"],["l"],["s"],["w"]]"#);
    // A letter that became an event is not in the parts of its minute.
    let minutes =
        "SELECT event_type, CAST(SUM(events) AS BIGINT) FROM events_1min GROUP BY 1 ORDER BY 1";
    assert_eq!(scene.stage.rows(minutes).await, "[[1001,2],[3002,4]]");
    let touched =
        "SELECT count(*), count(DISTINCT event_date) FROM touched_days WHERE reason = 'replay'";
    assert_eq!(scene.stage.rows(touched).await, "[[3,1]]");
    let told =
        "SELECT count(DISTINCT source), CAST(SUM(read) AS BIGINT), CAST(SUM(accepted) AS BIGINT)
        FROM ledger WHERE hop = 'replay'";
    assert_eq!(scene.stage.rows(told).await, "[[3,21,10]]");
    let staged = "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'staged%'";
    assert_eq!(scene.stage.rows(staged).await, "[[0]]");

    // A release that refuses what was accepted: its copies stay copies all the same.
    scene.stage.rulebook = faulty(folder.path());
    scene.replay(0..10, None).await.unwrap();
    assert_eq!(scene.standing().await, before);
    assert_eq!(scene.residue().await, "[]");
}

/// One batch that spans an hour tells copies that no window knows; and what was accepted is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_stay_copies_by_whatever_rules() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::open(folder.path());
    scene.append(-50, &[&level("a"), &session("b")]).await;
    scene.append(1, &[&session("b"), &level("c"), &level("c")]).await;
    scene.stage.process().await;
    let before = r#"[[0,"a"],[1,"b"],[3,"c"]]"#;
    assert_eq!(scene.standing().await, before);
    scene.replay(0..10, None).await.unwrap();
    assert_eq!(scene.standing().await, before);
    scene.stage.rulebook = faulty(folder.path());
    let refused = scene.replay(0..10, None).await.unwrap();
    assert_eq!(refused.dead_lettered, 1);
    assert_eq!(scene.standing().await, r#"[[0,"a"],[1,"b"],[3,"invalid_parameters"]]"#);
    assert_eq!(scene.residue().await, "[]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_row_comes_back_and_its_copy_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::open(folder.path());
    scene.stage.writes.lost.store(1, Ordering::SeqCst);
    scene.append(1, &[&level("a"), &level("b"), &level("a")]).await;
    scene.stage.process().await;
    assert_eq!(scene.standing().await, r#"[[1,"b"]]"#);
    assert_eq!(scene.residue().await, r#"[["warehouse",1]]"#);
    scene.replay(0..10, None).await.unwrap();
    assert_eq!(scene.standing().await, r#"[[0,"a"],[1,"b"]]"#);
    assert_eq!(scene.residue().await, "[]");
}

/// A log that stands still after its first page.
struct StandsStill(SqliteLog);

#[async_trait]
impl Past for StandsStill {
    async fn offsets_at(&self, timestamp_ms: i64) -> Result<Vec<i64>, LogError> {
        self.0.offsets_at(timestamp_ms).await
    }

    fn read(&self, offsets: Vec<Range<i64>>) -> Pages {
        let (send, pages) = mpsc::channel(2);
        let mut real = self.0.read(offsets);
        tokio::spawn(async move {
            send.send(real.recv().await.unwrap()).await.unwrap();
            send.closed().await;
        });
        pages
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_midway_nothing_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::open(folder.path());
    let mended = std::mem::replace(&mut scene.stage.rulebook, faulty(folder.path()));
    morning(&scene).await;
    let before = scene.standing().await;
    let stuck = scene.replay_by(mended.clone(), Arc::new(StandsStill(scene.log.clone())));
    {
        let plan = stuck.plan(&request(0..10, None)).await.unwrap();
        let second = stuck.plan(&request(0..10, None)).await;
        assert!(matches!(second, Err(Failure::Busy)));
        let put_aside = async {
            // The table is made when the replay begins.
            let rows =
                "SELECT estimated_size FROM duckdb_tables() WHERE table_name = 'staged_events'";
            while scene.stage.rows(rows).await != "[[4]]" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            ended = plan.carry_out(|_| {}) => panic!("it ended: {}", ended.is_ok()),
            () = put_aside => {}
        }
    }
    assert_eq!(scene.standing().await, before);
    assert_eq!(scene.stage.rows("SELECT count(*) FROM touched_days").await, "[[0]]");
    scene.stage.rulebook = mended;
    let report = scene.replay(0..10, None).await.unwrap();
    assert_eq!(OUTCOMES(&report), [7, 4, 2, 1]);
}

#[tokio::test]
async fn what_processing_has_before_it_is_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::open(folder.path());
    scene.append(1, &[&level("a")]).await;
    let refused = scene.replay(0..10, None).await;
    assert!(matches!(refused, Err(Failure::Behind(1))), "{refused:?}");
    let empty = scene.replay(2..10, None).await.unwrap();
    assert_eq!((OUTCOMES(&empty), empty.days), ([0; 4], vec![]));
}

/// Writes what is in the log as the sink connector does, so many records a file.
async fn archive(log: &SqliteLog, bucket: &Path, records: usize) {
    let ends = log.ends(Topic::Raw).await.unwrap();
    let mut pages = log.read(ends.iter().map(|end| 0..*end).collect());
    let mut all = Vec::new();
    while let Some(page) = pages.recv().await {
        all.extend(page.unwrap());
    }
    let topic = bucket.join("raw").join(log.log_id()).join(Topic::Raw.name());
    for some in all.chunks(records) {
        let (partition, first) = (some[0].partition, some[0].offset);
        let folder = topic.join(format!("{partition:010}"));
        fs::create_dir_all(&folder).unwrap();
        let file = File::create(folder.join(format!("{first:020}.jsonl.gz"))).unwrap();
        let mut gzip = GzEncoder::new(file, Compression::fast());
        for record in some {
            let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
            let headers = record
                .headers
                .block()
                .iter()
                .map(|(key, value)| json!({ "key": key, "value": base64(value) }));
            let line = json!({
                "key": record.key.as_deref().map(base64),
                "value": record.value.as_deref().map(base64),
                "offset": record.offset,
                "timestamp": moment(record.timestamp_ms),
                "headers": headers.collect::<Vec<_>>(),
            });
            writeln!(gzip, "{line}").unwrap();
        }
        gzip.finish().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_archive_says_what_the_log_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::open(folder.path());
    let mended = std::mem::replace(&mut scene.stage.rulebook, faulty(folder.path()));
    morning(&scene).await;
    let before = scene.standing().await;
    let bucket = folder.path().join("bucket");
    archive(&scene.log, &bucket, 2).await;
    scene.stage.rulebook = mended;
    let by_log = scene.replay(0..10, None).await.unwrap();
    let after = scene.standing().await;
    assert_ne!(after, before);
    scene.stage.rulebook = faulty(folder.path());
    scene.replay(0..10, Some(&bucket)).await.unwrap();
    assert_eq!(scene.standing().await, before);
    scene.stage.rulebook = Rulebook::read(&Env::of([])).unwrap();
    let log = bucket.join("raw").join(scene.log.log_id());
    let by_archive = scene.replay(0..10, Some(&log)).await.unwrap();
    assert_eq!(scene.standing().await, after);
    let run = by_log.run.clone();
    assert_eq!(Report { run, ..by_archive }, by_log);

    // A file is gone: whether what comes after it is a copy nobody can tell.
    scene.stage.rulebook = faulty(folder.path());
    fs::remove_file(log.join("game-events-raw/0000000005/00000000000000000004.jsonl.gz")).unwrap();
    let gap = scene.replay(0..10, Some(&bucket)).await;
    assert!(matches!(gap, Err(Failure::Gap(2))), "{gap:?}");
    assert_eq!(scene.standing().await, after);
    let nothing = scene.replay(0..10, Some(folder.path())).await;
    assert!(matches!(nothing, Err(Failure::Unusable(_))), "{nothing:?}");
}

/// The answer of BigQuery to a question, as JSON text.
async fn told(warehouse: &dyn Ask, bigquery: &'static str) -> String {
    let question = Question { name: "told", bigquery, duckdb: "", values: Vec::new() };
    let limits = QueryLimits { timeout: Duration::from_secs(60), rows: 1_000 };
    let answer = warehouse.ask(&question, limits).await.unwrap();
    serde_json::to_string(&answer.rows).unwrap()
}

/// A job of the real binary does on BigQuery (an emulator) what is done on DuckDB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_replays_on_bigquery() {
    let Some(mut emulator) = Bigquery::start_for_streams() else {
        return skip("bigquery", "QUESTLINE_PYTHON is not set");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::open(folder.path());
    scene.stage.rulebook = faulty(folder.path());
    morning(&scene).await;
    let before = scene.standing().await;
    let Scene { stage, log } = scene;
    stage.warehouse.close().await;
    log.close().await;
    drop((stage.log, log));
    assert!(emulator.copy(&folder.path().join(FILE)) > 0);

    let place = format!("bigquery:{}", Bigquery::DATASET);
    let variables = [
        ("QUESTLINE_WAREHOUSE", &*place),
        ("QUESTLINE_BIGQUERY_REST", &*emulator.rest),
        ("QUESTLINE_BIGQUERY_GRPC", &*emulator.grpc),
    ];
    let warehouse = questline_environment::warehouse(&Env::of(variables)).await.unwrap().ask();
    assert_eq!(told(&*warehouse, STANDING).await, before);
    let job = |to: i64| {
        let request = json!({ "from": moment(noon()), "to": moment(noon() + to * MINUTE) });
        let ran = Command::new(env!("CARGO_BIN_EXE_questline-process"))
            .env_clear()
            .envs(variables)
            .env("QUESTLINE_LOG", format!("sqlite:{}", folder.path().display()))
            .env("QUESTLINE_REPLAY", request.to_string())
            .output()
            .unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    for _ in 0..2 {
        let (success, said) = job(10);
        assert!(success, "{said}");
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut reports = lines.filter_map(|line| Some(line["report"].as_str()?.to_owned()));
        let report: Report = serde_json::from_str(&reports.next_back().unwrap()).unwrap();
        assert_eq!(OUTCOMES(&report), [7, 4, 2, 1]);
        assert_eq!((report.rows_before, report.rows_after), (5, 5));
        assert_eq!(report.days, [Day::of(noon() * 1_000)]);
        assert_eq!(told(&*warehouse, STANDING).await, MENDED);
        assert_eq!(told(&*warehouse, RESIDUE).await, "[]");
    }
    let ledger = "SELECT COUNT(DISTINCT source), CAST(SUM(read) AS INT64) FROM ledger
        WHERE hop = 'replay'";
    assert_eq!(told(&*warehouse, ledger).await, "[[2,14]]");
    let (success, said) = job(48 * 60);
    assert!(!success && said.contains("the open day cannot be replayed"), "{said}");
}
