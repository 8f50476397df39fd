//! Real play through `questline send` and the whole stack. Read from where `QUESTLINE_REAL_DATA`
//! names it; nothing of it is kept here.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use questline_events::Day;
use questline_testing::{long, skip};
use support::{Stack, binary};

fn data() -> Option<PathBuf> {
    let data = std::env::var_os("QUESTLINE_REAL_DATA").map(PathBuf::from);
    if data.is_none() {
        skip("real-data", "QUESTLINE_REAL_DATA is not set");
    }
    data
}

/// A set as NDJSON lines, as its tool prints it.
fn lines(data: &Path, set: &[&str]) -> Vec<String> {
    let tool = data.join("to_events.py");
    let printed = Command::new("python3").arg(tool).args(set).output().unwrap();
    assert!(printed.status.success());
    String::from_utf8(printed.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Sends lines, and gives back what the command printed.
fn send(stack: &Stack, folder: &Path, lines: &[String]) -> String {
    let file = folder.join("events.ndjson");
    fs::write(&file, lines.join("\n")).unwrap();
    let sent = Command::new(binary("questline"))
        .arg("--data-dir")
        .arg(stack.place.directory())
        .arg("send")
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(sent.stdout).unwrap()
}

/// The rows of a CSV file with a head, some columns of them.
fn expected(path: &Path, columns: &[&str]) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().unwrap().split(',').collect();
    let places: Vec<_> =
        columns.iter().map(|column| head.iter().position(|name| name == column).unwrap()).collect();
    lines
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            places.iter().map(|at| fields[*at].to_owned()).collect()
        })
        .collect()
}

/// Every number that must not change when the same play is sent again.
async fn numbers(stack: &Stack) -> BTreeMap<&'static str, String> {
    let mut numbers = BTreeMap::new();
    for (name, sql) in [
        ("events", "SELECT count(*) FROM events"),
        ("unique", "SELECT count(*) FROM events_unique"),
        ("levels", LEVELS),
        ("days", DAYS),
        (
            "minutes",
            "SELECT window_start, event_type, level_id, events FROM events_1min ORDER BY ALL",
        ),
    ] {
        numbers.insert(name, stack.rows(sql).await);
    }
    numbers
}

/// Closes the seven days by the command, and gives what is in their tables.
async fn daily(stack: &Stack) -> BTreeMap<&'static str, String> {
    let yesterday = Day::of(support::now_micros()).plus(-1);
    let mut command = Command::new(binary("questline"));
    command.args(["daily", "--date", &yesterday.plus(-6).to_string()]);
    command.args(["--through", &yesterday.to_string(), "--data-dir"]);
    let output = command.arg(stack.place.directory()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.ends_with(" done")).count(), 7, "{said}");
    let mut numbers = BTreeMap::new();
    for (name, sql) in [
        ("attempts", "SELECT sum(attempts)::BIGINT FROM level_metrics"),
        (
            "completions",
            "SELECT sum(completions)::VARCHAR FROM level_metrics GROUP BY event_date
             ORDER BY event_date",
        ),
        (
            "levels",
            "SELECT level_id, sum(completions)::VARCHAR FROM level_metrics GROUP BY level_id
             ORDER BY level_id::INT",
        ),
        ("level_metrics", "FROM level_metrics ORDER BY ALL"),
        ("users", "FROM user_daily_metrics ORDER BY ALL"),
        ("revenue", "FROM revenue_daily_metrics ORDER BY ALL"),
        ("retention", "FROM retention_daily ORDER BY ALL"),
        ("minutes", "FROM events_1min_closed ORDER BY ALL"),
    ] {
        numbers.insert(name, stack.rows(sql).await);
    }
    numbers
}

const LEVELS: &str = "SELECT level_id, count(*) FILTER (event_type = 1001)::VARCHAR,
    count(*) FILTER (event_type = 1002)::VARCHAR
    FROM events_unique GROUP BY level_id ORDER BY level_id::INT";
const DAYS: &str = "SELECT count(*) FILTER (event_type = 1001)::VARCHAR,
    count(*) FILTER (event_type = 1002)::VARCHAR
    FROM events_unique GROUP BY event_date ORDER BY event_date";

#[tokio::test]
async fn candycrush_gives_the_numbers_that_others_found() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let play = lines(&data, &["candycrush"]);
    let sent = send(&stack, folder.path(), &play);
    assert!(sent.starts_with("186894 received, 186894 stored, 0 rejected, 0 deferred"), "{sent}");
    stack.settle().await;
    let first = numbers(&stack).await;
    assert_eq!((first["events"].as_str(), first["unique"].as_str()), ("[[186894]]", "[[186894]]"));
    let set = data.join("candycrush-2014/expected");
    let levels = expected(&set.join("level_difficulty.csv"), &["level", "attempts", "wins"]);
    assert_eq!(first["levels"], serde_json::to_string(&levels).unwrap());
    let days = expected(&set.join("daily.csv"), &["attempts", "wins"]);
    assert_eq!(first["days"], serde_json::to_string(&days).unwrap());

    let closed = daily(&stack).await;
    assert_eq!(closed["attempts"], "[[93539]]");
    let wins: Vec<_> = days.iter().map(|day| [&day[1]]).collect();
    assert_eq!(closed["completions"], serde_json::to_string(&wins).unwrap());
    let wins: Vec<_> = levels.iter().map(|level| [&level[0], &level[2]]).collect();
    assert_eq!(closed["levels"], serde_json::to_string(&wins).unwrap());

    // The same again: shuffled, with lines doubled and lines broken.
    let mut random = fastrand::Rng::with_seed(questline_testing::seed());
    let mut again = play.clone();
    again.extend(play.iter().step_by(10).cloned());
    let broken = 700;
    for _ in 0..broken {
        let line = &play[random.usize(..play.len())];
        again.push(line[..random.usize(1..line.len() - 1)].to_owned());
    }
    random.shuffle(&mut again);
    let sent = send(&stack, folder.path(), &again);
    let stored = again.len() - broken;
    assert!(
        sent.starts_with(&format!("{} received, {stored} stored, {broken} rejected", again.len())),
        "{sent}"
    );
    assert!(sent.contains(&format!("{broken} rejected: malformed_json")), "{sent}");
    stack.settle().await;
    assert_eq!(numbers(&stack).await, first, "every number stays the same");
    assert_eq!(daily(&stack).await, closed, "also those of the days");
    let duplicates = "SELECT sum(duplicate) FROM ledger_minutes";
    assert_eq!(stack.number(duplicates).await, i64::try_from(stored).unwrap());
    assert_eq!(stack.number("SELECT sum(abs(residue)) FROM ledger_residue").await, 0);
}

#[tokio::test]
async fn intendo_arrives_whole() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let sent = send(&stack, folder.path(), &lines(&data, &["intendo"]));
    assert!(sent.starts_with("246161 received, 246161 stored, 0 rejected, 0 deferred"), "{sent}");
    stack.settle().await;
    assert_eq!(stack.number("SELECT count(*) FROM events_unique").await, 246_161);
    assert_eq!(stack.number("SELECT count(*) FROM events_dlq").await, 0);
    assert_eq!(stack.number("SELECT sum(events) FROM events_1min").await, 246_161);
}

/// The days close by themselves; a session is one event at its start, so sessions are of that day.
#[tokio::test]
async fn intendo_sessions_and_playtime_are_those_of_every_player_and_day() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let days = if long() { 300 } else { 60 };
    let mut play = lines(&data, &["intendo", "--days", &days.to_string()]);
    play.retain(|line| line.contains(r#""type":3002"#));
    let sent = send(&stack, folder.path(), &play);
    assert!(sent.contains(" 0 rejected, 0 deferred"), "{sent}");
    stack.settle().await;
    let start = Instant::now();
    let open = "SELECT count(DISTINCT event_date) FROM events WHERE event_date NOT IN (
        SELECT event_date FROM pipeline_runs WHERE step = 'metrics_ready' AND state = 'done')";
    while stack.number(open).await > 0 {
        assert!(start.elapsed() < Duration::from_secs(600), "the days do not close");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{} events, all days closed by themselves in {:?}", play.len(), start.elapsed());
    let found = "SELECT user_id, date_diff('day', event_date, max(event_date) OVER ()),
        sessions, round(playtime_minutes, 3)
        FROM user_daily_metrics ORDER BY 1, 2";
    let found: Vec<(String, i64, i64, f64)> =
        serde_json::from_str(&stack.rows(found).await).unwrap();
    let mut text = String::new();
    let file = data.join("intendo-super-jetroid/sj_users_daily_small.csv.gz");
    GzDecoder::new(File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<_> = line.split(',').collect();
        let day: Day = fields[1].parse().unwrap();
        let playtime = (fields[3].parse::<f64>().unwrap() * 1_000.0).round() / 1_000.0;
        (fields[0].to_owned(), day, fields[2].parse::<f64>().unwrap() as i64, playtime)
    });
    let rows: Vec<_> = rows.collect();
    let last = rows.iter().map(|(_, day, ..)| *day).max().unwrap();
    let mut expected: Vec<_> = rows
        .into_iter()
        .map(|(user, day, sessions, time)| {
            (user, i64::from(last.number() - day.number()), sessions, time)
        })
        .filter(|(_, back, ..)| *back < days)
        .collect();
    expected.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn aqualab_has_its_purchases_without_a_price() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let sent = send(&stack, folder.path(), &lines(&data, &["aqualab"]));
    assert!(sent.starts_with("14087 received, 14087 stored"), "{sent}");
    stack.settle().await;
    assert_eq!(stack.number("SELECT count(*) FROM events_unique").await, 14_062);
    let letters = "SELECT reason, detail, count(*) FROM events_dlq GROUP BY ALL";
    assert_eq!(stack.rows(letters).await, r#"[["invalid_parameters","price_usd",25]]"#);
}
