//! The daily run over one large day.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use questline_client::{ClientError, Operator};
use questline_events::Day;
use questline_runtime::clock::now_micros;
use serde_json::{Value, json};

use crate::{
    fill::fill,
    report::{line, memory, promise},
    stack::Stack,
};

/// A day that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// What is promised of a day of ten million events, new or there already: seconds to close it, and MB
/// of the whole stack meanwhile.
const SECONDS: f64 = 60.0;
const MEGABYTES: f64 = 2_048.0;

pub(crate) fn run(events: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let directory = folder.path().join("data");
    std::fs::create_dir_all(&directory)?;
    let day = Day::of(now_micros()).plus(-1);
    line(&format!("daily: a day of {events} events, through the stack"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fill(&directory, events, day.start(), day.plus(1).start()))?;
    let (stack, _) = Stack::start(&directory)?;
    let took = runtime.block_on(async {
        // The day closes by itself, as one that is new; then again, as one that is there.
        let operator = Operator::of(&stack.place)?.context("no stack runs")?;
        let steps = "SELECT step, epoch(finished_at - started_at) AS seconds,
                epoch(max(finished_at) OVER () - min(started_at) OVER ()) AS in_all
            FROM pipeline_runs WHERE run_id = (SELECT max(run_id) FROM pipeline_runs)
                AND step <> 'wait' ORDER BY seconds DESC";
        close(&operator, day, true).await?;
        let first = show(&operator, steps, "first run").await?;
        let started = Instant::now();
        close(&operator, day, false).await?;
        line(&format!("  `daily` again: {:.1} s", started.elapsed().as_secs_f64()));
        let second = show(&operator, steps, "second run").await?;
        Ok::<_, anyhow::Error>([first, second])
    })?;
    let most = memory(stack.process(), "VmHWM")?;
    line(&format!("  resident memory of the stack: {most:.0} MB at most"));
    let closed = format!("each run of {events} events takes less than {SECONDS} s");
    promise(&closed, took.iter().all(|seconds| *seconds < SECONDS));
    promise(&format!("the stack has less than {MEGABYTES} MB resident"), most < MEGABYTES);
    Ok(())
}

/// Waits until the day is closed: by the stack itself, or by a run that is asked for.
async fn close(operator: &Operator, day: Day, mut resume: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let said = match operator.daily(&json!({ "date": day, "resume": resume })).await {
            Ok(reports) => {
                resume = true;
                let report = &reports["days"][0];
                if report["standing"] == "done" {
                    return Ok(());
                }
                report.to_string()
            }
            Err(ClientError::Refused { status: 409 | 503, detail }) => detail,
            Err(error) => return Err(error.into()),
        };
        anyhow::ensure!(started.elapsed() < PATIENCE, "the day was not closed: {said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Shows a run's steps; gives how long it took, in seconds.
async fn show(operator: &Operator, sql: &str, what: &str) -> anyhow::Result<f64> {
    let answer = operator.query(sql).await?;
    let number = |row: &[Value], at: usize| row.get(at).and_then(Value::as_f64).unwrap_or(f64::NAN);
    for row in &answer.rows {
        let step = row.first().and_then(Value::as_str).unwrap_or_default();
        line(&format!("    {step:22} {:6.2} s", number(row, 1)));
    }
    let in_all = answer.rows.first().map_or(f64::NAN, |row| number(row, 2));
    line(&format!("  {what}: {in_all:.1} s"));
    Ok(in_all)
}
