//! How long every question of the page takes over two weeks of play.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use questline_daily_aggregate::{DailyRun, Ports, report::Standing};
use questline_events::{
    Day,
    limits::{DAILY_CALL, QUERY_ROWS, QUERY_TIMEOUT},
};
use questline_runtime::{
    clock::{SystemClock, now_micros},
    metrics::Metrics,
};
use questline_stores::{
    daily::Directory,
    saved::{Ask as _, Saved},
    warehouse::QueryLimits,
};
use questline_warehouse_duckdb::DuckdbWarehouse;

use crate::{
    fill::fill,
    looks::{FILTERED, Look, OPEN},
    report::{Series, line, promise},
};

const DAYS: i32 = 14;

/// What is promised of every question, the first time and in the median: milliseconds.
const LONGEST: f64 = 1_000.0;

pub(crate) fn run(rounds: usize, events: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let now = now_micros();
    let began = Instant::now();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(fill(folder.path(), events, Day::of(now).plus(1 - DAYS).start(), now))?;
    line(&format!("page: {events} events of {DAYS} days, filled in {:.0?}", began.elapsed()));
    runtime.block_on(async {
        let warehouse = DuckdbWarehouse::open(folder.path())?;
        let closed = close_days(&warehouse, folder.path(), Day::of(now)).await?;
        line(&format!("  {} days closed by the daily run, each in {closed:.0?}", DAYS - 1));
        line("  milliseconds, first and median of the rest:");
        let (mut asked, mut late) = (0, Vec::new());
        for look in OPEN.iter().chain(FILTERED) {
            asked += 1;
            if !time(&warehouse, look, rounds, now).await? {
                late.push(look.told());
            }
        }
        warehouse.close().await;
        for look in &late {
            line(&format!("  not within a second: {look}"));
        }
        let within = asked - late.len();
        let told = format!("{within} of {asked} questions are answered within a second");
        promise(&told, late.is_empty());
        Ok(())
    })
}

/// Closes every day but the last; how long one took.
async fn close_days(
    warehouse: &DuckdbWarehouse,
    directory: &Path,
    today: Day,
) -> anyhow::Result<Duration> {
    let files = Arc::new(Directory::new(directory));
    let ports = Ports {
        warehouse: Arc::new(warehouse.clone()),
        features: files.clone(),
        ready: files,
        playtime_types: "3002".to_owned(),
        clock: SystemClock::shared(),
    };
    let daily = DailyRun::new(ports, Arc::new(Metrics::default()));
    let began = Instant::now();
    for back in 1..DAYS {
        let report = daily.call(today.plus(-back), false, DAILY_CALL).await?;
        let closed = matches!(report.standing, Standing::Done | Standing::Stopped);
        anyhow::ensure!(closed, "{}: {:?}", today.plus(-back), report.why);
    }
    Ok(began.elapsed() / u32::try_from(DAYS - 1)?)
}

/// Asks a question again and again; whether it is answered as quickly as is promised.
async fn time(
    warehouse: &DuckdbWarehouse,
    look: &Look,
    rounds: usize,
    now: i64,
) -> anyhow::Result<bool> {
    let limits = QueryLimits { timeout: QUERY_TIMEOUT, rows: QUERY_ROWS };
    let given = look.given(now);
    let pairs = given.iter().map(|(name, value)| (*name, value.as_str()));
    let question = Saved::named(look.name)?.ask(pairs, now)?;
    let (mut took, mut rows, mut answered) = (Vec::new(), String::new(), true);
    for _ in 0..=rounds {
        let began = Instant::now();
        match warehouse.ask(&question, limits).await {
            Ok(answer) => rows = format!("{} rows", answer.rows.len()),
            Err(error) => (rows, answered) = (error.to_string(), false),
        }
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let rest = Series(took.split_off(1)).median();
    let asked = look.told();
    line(&format!("  {:6.0} {rest:6.0}  {asked:78} {rows}", took[0]));
    Ok(answered && took[0].max(rest) < LONGEST)
}
