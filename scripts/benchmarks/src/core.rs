//! The core against a bare syntax check, and against one SQL pass that makes the same columns.

use std::sync::Arc;

use bytes::Bytes;
use cpu_time::ProcessTime;
use questline_environment::Rulebook;
use questline_events::{
    Rules,
    batch::{Batch, Context, Judgement},
    brake::Brake,
    event::Recent,
    headers::{APP_ID, Block, CLIENT_IP, Envelope, INGEST, RECEIVED_AT},
    limits::{BATCH_RECORDS, Limits},
    minutes::Minutes,
    record::Record,
    row::{EventRows, Postmark, Source},
    window::{Identities, Window},
};
use questline_runtime::{clock::now_micros, config::Env};
use serde::de::IgnoredAny;

use crate::{
    load::{BODY_EVENTS, events},
    report::{Series, line},
};

const EVENTS: usize = 200_000;
const DEVICES: &[u8] = include_bytes!("../../../shared/events/devices.tsv");

pub(crate) fn run(rounds: usize) -> anyhow::Result<()> {
    let now = now_micros();
    let lines: Vec<_> = events(1, now).take(EVENTS).collect();
    let bytes: usize = lines.iter().map(Vec::len).sum();
    line(&format!("core: {EVENTS} events of {} bytes on average, {rounds} rounds", bytes / EVENTS));
    let rules = rules()?;
    let headers = headers(now);
    let sql = Sql::prepare(&lines, now)?;
    let mut bare = Series::default();
    let mut stages: [Series; STAGES.len()] = Default::default();
    let (mut batch, mut duckdb) = (Series::default(), Series::default());
    let mut outcome = (0, 0);
    for _ in 0..rounds {
        bare.0.push(timed(|| {
            lines.iter().filter(|line| serde_json::from_slice::<IgnoredAny>(line).is_ok()).count()
        })?);
        for (last, stage) in stages.iter_mut().enumerate() {
            stage.0.push(timed(|| until(last, &rules, &lines, &headers))?);
        }
        batch.0.push(timed(|| outcome = whole(&rules, &lines, &headers))?);
        duckdb.0.push(sql.pass()?);
    }
    let found = sql.outcome()?;
    anyhow::ensure!(
        found == outcome,
        "SQL accepts {found:?}, the core {outcome:?} (rows, letters)"
    );
    let each = |series: &Series| series.median() * 1e9 / EVENTS as f64;
    line(&format!("  bare syntax check                 {:6.0} ns an event", each(&bare)));
    for (name, stage) in STAGES.iter().zip(&stages) {
        line(&format!("  {name:33} {:6.0} ns", each(stage)));
    }
    line(&format!("  + enriched JSON, ledger: a batch  {:6.0} ns", each(&batch)));
    line(&format!("  one SQL pass, without those       {:6.0} ns", each(&duckdb)));
    let core = &stages[STAGES.len() - 1];
    line(&format!("  core to rows / bare syntax check, in speed: {}", bare.over(core).show()));
    line(&format!("  a whole batch / bare syntax check:          {}", bare.over(&batch).show()));
    line(&format!("  core to rows / one SQL pass:                {}", duckdb.over(core).show()));
    line(&format!("  a whole batch / one SQL pass:               {}", duckdb.over(&batch).show()));
    Ok(())
}

/// What the core does, each stage with those before it.
const STAGES: [&str; 4] =
    ["parse", "+ validate, enrich", "+ deduplicate", "+ minutes, Arrow rows: the core"];

/// The core up to a stage.
fn until(last: usize, rules: &Rules, lines: &[Vec<u8>], headers: &[Bytes]) -> usize {
    if last == 0 {
        let depth = Limits::default().json_depth;
        let parse = |line: &&Vec<u8>| questline_events::parse::parse(line, depth).is_ok();
        return lines.iter().filter(parse).count();
    }
    let identities = Identities::of_log("bench");
    let (mut window, mut recent) = (Window::default(), Recent::default());
    let mut accepted = 0;
    for (lines, headers) in lines.chunks(BATCH_RECORDS).zip(headers.chunks(BATCH_RECORDS)) {
        let room = if last == 3 { lines.len() } else { 0 };
        let (mut rows, mut minutes) = (EventRows::with_capacity(room), Minutes::default());
        for (at, value, envelope) in enveloped(lines, headers) {
            let Ok(event) = rules.judge(value, &envelope, &mut recent) else { continue };
            let fresh =
                last < 2 || window.insert(0, 0, identities.of(event.app_id, &event.event_id));
            if fresh && last == 3 {
                let offset = i64::try_from(at).unwrap_or(0);
                rows.push(&event, Source { log_id: "bench", partition: 0, offset }, true);
                minutes.count(&event);
            }
            accepted += usize::from(fresh);
        }
        window.commit();
        std::hint::black_box((rows.finish().ok(), minutes.into_parts()));
    }
    accepted
}

/// Records of a request share their headers, which are read once.
fn enveloped<'a>(
    lines: &'a [Vec<u8>],
    headers: &'a [Bytes],
) -> impl Iterator<Item = (usize, &'a [u8], Envelope<'a>)> {
    let mut last: Option<(&Bytes, Envelope<'_>)> = None;
    lines.iter().zip(headers).enumerate().map(move |(at, (value, headers))| {
        let envelope = match last {
            Some((known, envelope)) if known == headers => envelope,
            _ => Envelope::read(Block(headers), 0),
        };
        last = Some((headers, envelope));
        (at, value.as_slice(), envelope)
    })
}

fn timed<T>(work: impl FnOnce() -> T) -> anyhow::Result<f64> {
    let start = ProcessTime::now();
    std::hint::black_box(work());
    Ok(start.elapsed().as_secs_f64())
}

/// What processing judges by, all lookups included.
fn rules() -> anyhow::Result<Arc<Rules>> {
    let rules = Rulebook::read(&Env::of_process())?.rules;
    anyhow::ensure!(rules.geo.is_some(), "QUESTLINE_GEO_DB is not set: start scripts/bench");
    Ok(rules)
}

/// The headers of each event; events of a request share theirs, as they do in a log.
fn headers(now: i64) -> Vec<Bytes> {
    let block = |request: usize| {
        let mut block = Vec::new();
        Block::push(&mut block, APP_ID, b"local");
        Block::push(&mut block, RECEIVED_AT, (now / 1_000).to_string().as_bytes());
        Block::push(&mut block, INGEST, b"01a20982-1dba-75f4-9fa6-a008a21f8156");
        let address = format!("81.{}.{}.142", request % 200, request % 250);
        Block::push(&mut block, CLIENT_IP, address.as_bytes());
        Bytes::from(block)
    };
    let requests = (0..EVENTS / BODY_EVENTS).map(block);
    requests.flat_map(|block| std::iter::repeat_n(block, BODY_EVENTS)).collect()
}

/// Everything that processing does with a batch before it goes out. (rows, letters)
fn whole(rules: &Rules, lines: &[Vec<u8>], headers: &[Bytes]) -> (usize, usize) {
    let identities = Identities::of_log("bench");
    let (mut window, mut brake) = (Window::default(), Brake::default());
    let postmark = Postmark { failed_at: 0, function_version: "bench" };
    let context =
        Context { rules, identities: &identities, log_id: "bench", postmark, counted: true };
    let (mut rows, mut letters) = (0, 0);
    for (lines, headers) in lines.chunks(BATCH_RECORDS).zip(headers.chunks(BATCH_RECORDS)) {
        let mut batch = Batch::new(context, lines.len());
        for (index, value, envelope) in enveloped(lines, headers) {
            let record = Record {
                partition: 0,
                offset: i64::try_from(index).unwrap_or(0),
                log_time_ms: 0,
                key: None,
                value: Some(value),
                headers: Block(&headers[index]),
                envelope,
            };
            batch.take(index, &record, Judgement::Rules, &mut window, &mut brake);
        }
        window.commit();
        let events = batch.rows.finish().map(|rows| rows.num_rows()).unwrap_or_default();
        std::hint::black_box((&batch.enriched_bytes, batch.minutes.into_parts()));
        rows += events;
        letters += batch.letter_rows.finish().map(|rows| rows.num_rows()).unwrap_or_default();
    }
    (rows, letters)
}

/// DuckDB on the same lines, in memory, one thread.
struct Sql {
    connection: duckdb::Connection,
}

impl Sql {
    fn prepare(lines: &[Vec<u8>], now: i64) -> anyhow::Result<Self> {
        let connection = duckdb::Connection::open_in_memory()?;
        connection.execute_batch(
            "SET threads = 1; SET TimeZone = 'UTC';
             CREATE TABLE raw (line VARCHAR, received_at TIMESTAMPTZ);
             CREATE TABLE devices (model VARCHAR, category VARCHAR, tier VARCHAR);",
        )?;
        {
            let mut raw = connection.appender("raw")?;
            let moment = duckdb::types::Value::Timestamp(duckdb::types::TimeUnit::Microsecond, now);
            for line in lines {
                raw.append_row(duckdb::params![std::str::from_utf8(line)?, moment])?;
            }
            let mut devices = connection.appender("devices")?;
            for row in std::str::from_utf8(DEVICES)?.lines().skip(1) {
                let fields: Vec<_> = row.split('\t').collect();
                devices.append_row(duckdb::params![fields[0], fields[1], fields[2]])?;
            }
        }
        Ok(Self { connection })
    }

    /// CPU seconds of one pass.
    fn pass(&self) -> anyhow::Result<f64> {
        let start = ProcessTime::now();
        self.connection.execute_batch(include_str!("pass.sql"))?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn outcome(&self) -> anyhow::Result<(usize, usize)> {
        let sql = "SELECT (SELECT count(*) FROM accepted), (SELECT count(*) FROM letters)";
        Ok(self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }
}
