//! Real play through `questline send` and the whole stack. Read from where `QUESTLINE_REAL_DATA`
//! names it; nothing of it is kept here.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use questline_events::Day;
use questline_testing::{a_day_that_lasts, long, skip};
use support::{Stack, binary, past::Past};

/// The sets, and a day that lasts until they are played and closed.
fn data() -> Option<PathBuf> {
    let data = std::env::var_os("QUESTLINE_REAL_DATA").map(PathBuf::from);
    if data.is_some() {
        a_day_that_lasts(Duration::from_secs(300));
    } else {
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

/// What a command says that succeeds.
fn said(stack: &Stack, arguments: &[&str]) -> String {
    let mut command = Command::new(binary("questline"));
    command.args(arguments).arg("--data-dir").arg(stack.place.directory());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// The rows of a CSV file with a head, packed or not, some columns of them.
fn expected(path: &Path, columns: &[&str]) -> Vec<Vec<String>> {
    let bytes = fs::read(path).unwrap();
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
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

type Numbers = BTreeMap<&'static str, String>;

/// Every number that must not change when the same play is sent again.
async fn numbers(stack: &Stack) -> Numbers {
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
async fn daily(stack: &Stack) -> Numbers {
    let yesterday = Day::of(support::now_micros()).plus(-1);
    let [first, last] = [yesterday.plus(-6), yesterday].map(|day| day.to_string());
    let said = said(stack, &["daily", "--date", &first, "--through", &last]);
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

/// Play, and what a stack tells of it that got it once, in order.
struct Known {
    play: Vec<String>,
    numbers: Numbers,
    closed: Numbers,
}

impl Known {
    async fn of(stack: &Stack, play: Vec<String>) -> Self {
        Self { play, numbers: numbers(stack).await, closed: daily(stack).await }
    }

    /// Shuffled, with lines doubled.
    fn disordered(&self, random: &mut fastrand::Rng) -> Vec<String> {
        let mut lines = self.play.clone();
        lines.extend(self.play.iter().step_by(10).cloned());
        random.shuffle(&mut lines);
        lines
    }

    /// Sent again to the stack that has it, with lines broken besides.
    async fn stands_when_sent_again(
        &self,
        stack: &Stack,
        folder: &Path,
        random: &mut fastrand::Rng,
    ) {
        let mut again = self.disordered(random);
        let (stored, broken) = (again.len(), 700);
        for _ in 0..broken {
            let line = &self.play[random.usize(..self.play.len())];
            again.push(line[..random.usize(1..line.len() - 1)].to_owned());
        }
        random.shuffle(&mut again);
        let sent = send(stack, folder, &again);
        let told = format!("{} received, {stored} stored, {broken} rejected", again.len());
        assert!(sent.starts_with(&told), "{sent}");
        assert!(sent.contains(&format!("{broken} rejected: malformed_json")), "{sent}");
        stack.settle().await;
        assert_same_numbers(&numbers(stack).await, &self.numbers, "sent again");
        assert_same_numbers(&daily(stack).await, &self.closed, "sent again, and closed");
        assert_copies(stack, stored).await;
    }

    /// On a fresh stack, which finds it in its log as it came the day before: shuffled and doubled
    /// from the start. Of the open day nothing is replayed; this can be.
    async fn stands_in_disorder_and_replayed(&self, directory: &Path, random: &mut fastrand::Rng) {
        let (lines, rows) = (self.disordered(random), self.play.len());
        let (read, copies) = (lines.len(), lines.len() - rows);
        let today = Day::of(support::now_micros());
        let past = Past::of(directory);
        // At the end of that day, when all of it has happened.
        past.append(today.start() / 1_000 - 1, lines.into_iter()).await;
        past.close().await;
        let stack = Stack::start(directory);
        stack.settle().await;
        assert_same_numbers(&numbers(&stack).await, &self.numbers, "in disorder");
        assert_same_numbers(&daily(&stack).await, &self.closed, "in disorder, and closed");
        assert_copies(&stack, copies).await;

        let [from, to] = [today.plus(-1), today].map(|day| format!("{day}T00:00:00Z"));
        let said = said(&stack, &["replay", "--from", &from, "--to", &to]);
        assert!(said.contains(&format!("{read} events were read again")), "{said}");
        assert!(said.contains(&format!("{rows} rows were replaced by {rows}.")), "{said}");
        assert_same_numbers(&daily(&stack).await, &self.closed, "replayed, and closed");
        assert_same_numbers(&numbers(&stack).await, &self.numbers, "replayed");
        assert_copies(&stack, copies).await;
    }
}

fn assert_same_numbers(found: &Numbers, expected: &Numbers, when: &str) {
    for (name, number) in expected {
        assert!(found[name] == *number, "{when}, `{name}` is another number");
    }
}

/// So many records were copies, and nothing is missing.
async fn assert_copies(stack: &Stack, copies: usize) {
    let duplicates = "SELECT sum(duplicate) FROM ledger_minutes";
    assert_eq!(stack.number(duplicates).await, i64::try_from(copies).unwrap());
    assert_eq!(stack.number("SELECT sum(abs(residue)) FROM ledger_residue").await, 0);
}

#[tokio::test]
async fn candycrush_gives_the_numbers_that_others_found() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let play = lines(&data, &["candycrush"]);
    let sent = send(&stack, folder.path(), &play);
    assert!(sent.starts_with("186894 received, 186894 stored, 0 rejected, 0 deferred"), "{sent}");
    stack.settle().await;
    let known = Known::of(&stack, play).await;
    let first = &known.numbers;
    assert_eq!((first["events"].as_str(), first["unique"].as_str()), ("[[186894]]", "[[186894]]"));
    let set = data.join("candycrush-2014/expected");
    let levels = expected(&set.join("level_difficulty.csv"), &["level", "attempts", "wins"]);
    assert_eq!(first["levels"], serde_json::to_string(&levels).unwrap());
    let days = expected(&set.join("daily.csv"), &["attempts", "wins"]);
    assert_eq!(first["days"], serde_json::to_string(&days).unwrap());

    let closed = &known.closed;
    assert_eq!(closed["attempts"], "[[93539]]");
    let wins: Vec<_> = days.iter().map(|day| [&day[1]]).collect();
    assert_eq!(closed["completions"], serde_json::to_string(&wins).unwrap());
    let wins: Vec<_> = levels.iter().map(|level| [&level[0], &level[2]]).collect();
    assert_eq!(closed["levels"], serde_json::to_string(&wins).unwrap());

    let mut random = fastrand::Rng::with_seed(questline_testing::seed());
    known.stands_when_sent_again(&stack, folder.path(), &mut random).await;
    drop(stack);
    known.stands_in_disorder_and_replayed(&folder.path().join("other"), &mut random).await;
}

/// A week of it: of more, days close that nobody waits for.
#[tokio::test]
async fn intendo_gives_the_same_numbers_in_whatever_order_it_comes() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let play = lines(&data, &["intendo", "--days", "7"]);
    let sent = send(&stack, folder.path(), &play);
    assert!(sent.contains(" 0 rejected, 0 deferred"), "{sent}");
    stack.settle().await;
    let known = Known::of(&stack, play).await;
    assert_eq!(stack.number("SELECT count(*) FROM purchases_counted").await, 1_747);
    let mut random = fastrand::Rng::with_seed(questline_testing::seed());
    known.stands_when_sent_again(&stack, folder.path(), &mut random).await;
    drop(stack);
    known.stands_in_disorder_and_replayed(&folder.path().join("other"), &mut random).await;
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

/// A player, and how many days before the last one.
type PlayerDay = (String, i64);

/// How much of intendo's play closes in a test.
fn days() -> i64 {
    if long() { 300 } else { 60 }
}

/// Sends intendo's events of a type, and waits until the days have closed by themselves: until of
/// each a run that read all that arrived has its metrics. Not until it ended: a day that looks odd
/// beside one that was closed before all arrived stops there.
async fn closed(data: &Path, folder: &Path, stack: &Stack, code: i64) {
    let mut play = lines(data, &["intendo", "--days", &days().to_string()]);
    play.retain(|line| line.contains(&format!(r#""type":{code},"#)));
    let sent = send(stack, folder, &play);
    assert!(sent.contains(" 0 rejected, 0 deferred"), "{sent}");
    stack.settle().await;
    let start = Instant::now();
    let open = "SELECT count(*)
        FROM (SELECT event_date, count(*) AS arrived FROM events GROUP BY event_date) AS days
        WHERE NOT EXISTS (
            SELECT 1 FROM pipeline_runs AS begun JOIN pipeline_runs AS ended USING (run_id)
            WHERE begun.event_date = days.event_date
                AND begun.step = 'day_rows' AND begun.snapshot_rows = arrived
                AND ended.step = 'user_daily_metrics' AND ended.state = 'done')";
    while stack.number(open).await > 0 {
        assert!(start.elapsed() < Duration::from_secs(600), "the days do not close");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{} events, all days closed by themselves in {:?}", play.len(), start.elapsed());
}

/// Two columns of what others found of every player and day.
fn published(data: &Path, columns: [&str; 2]) -> BTreeMap<PlayerDay, [String; 2]> {
    let file = data.join("intendo-super-jetroid/sj_users_daily_small.csv.gz");
    let rows = expected(&file, &["player_id", "login_date", columns[0], columns[1]]);
    let day = |row: &[String]| row[1].parse::<Day>().unwrap().number();
    let last = rows.iter().map(|row| day(row)).max().unwrap();
    let all = rows.len();
    let rows: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| {
            let back = i64::from(last - day(&row));
            ((row[0].clone(), back), [row[2].clone(), row[3].clone()])
        })
        .collect();
    assert_eq!(rows.len(), all, "one row for a player and day");
    rows.into_iter().filter(|((_, back), _)| *back < days()).collect()
}

/// Where two sides say different things of a player and day, and what each says.
fn differing<'a, T: PartialEq>(
    found: &'a BTreeMap<PlayerDay, T>,
    expected: &'a BTreeMap<PlayerDay, T>,
) -> Vec<(&'a PlayerDay, Option<&'a T>, Option<&'a T>)> {
    let all: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let sides = all.into_iter().map(|key| (key, found.get(key), expected.get(key)));
    sides.filter(|(_, found, expected)| found != expected).collect()
}

fn assert_same<T: PartialEq + Debug>(
    found: &BTreeMap<PlayerDay, T>,
    expected: &BTreeMap<PlayerDay, T>,
) {
    let differing = differing(found, expected);
    let first = &differing[..differing.len().min(5)];
    assert!(
        differing.is_empty(),
        "found and expected differ on {} of {} player-days, the first: {first:#?}",
        differing.len(),
        expected.len()
    );
}

/// The days close by themselves.
#[tokio::test]
async fn intendo_sessions_playtime_and_purchases_are_those_of_every_player_and_day() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    closed(&data, folder.path(), &stack, 3002).await;
    assert_sessions(&data, &stack).await;
    // Late: the days are stale, and close again.
    closed(&data, folder.path(), &stack, 2001).await;
    assert_purchases(&data, &stack).await;
}

/// A session is one event at its start, so it is of that day.
async fn assert_sessions(data: &Path, stack: &Stack) {
    let found = "SELECT user_id, date_diff('day', event_date, max(event_date) OVER ()),
        sessions, round(playtime_minutes, 3)
        FROM user_daily_metrics";
    let found: Vec<(String, i64, i64, f64)> =
        serde_json::from_str(&stack.rows(found).await).unwrap();
    let found: BTreeMap<PlayerDay, (i64, f64)> =
        found.into_iter().map(|(user, back, n, time)| ((user, back), (n, time))).collect();
    let expected = published(data, ["sessions_day", "playtime_day"]);
    let expected: BTreeMap<PlayerDay, (i64, f64)> = expected
        .into_iter()
        .map(|(key, [sessions, playtime])| {
            let playtime = (playtime.parse::<f64>().unwrap() * 1_000.0).round() / 1_000.0;
            (key, (sessions.parse::<f64>().unwrap() as i64, playtime))
        })
        .collect();
    assert_same(&found, &expected);
}

/// Others have a purchase on the day on which its session started, not on its own.
async fn assert_purchases(data: &Path, stack: &Stack) {
    let left_out = "SELECT (SELECT count(*) FROM events WHERE event_type = 2001)
        - (SELECT count(*) FROM purchases_counted)";
    assert_eq!(stack.number(left_out).await, 0, "no two have one transaction, so all count");

    // Prices are whole thousandths of a dollar; what is published are sums as binary fractions.
    let mut expected: BTreeMap<PlayerDay, (i64, String)> =
        published(data, ["n_iap_day", "rev_iap_day"])
            .into_iter()
            .map(|(key, [purchases, revenue])| {
                let revenue = format!("{:.3}000000", revenue.parse::<f64>().unwrap());
                (key, (purchases.parse::<f64>().unwrap() as i64, revenue))
            })
            .filter(|(_, (purchases, _))| *purchases > 0)
            .collect();
    // A session that outlasts the set's year: its purchase is counted there, but neither its price
    // nor its row is given.
    let without_a_row = expected.remove(&("IKBOFEWSCDGZ473".to_owned(), 0));
    assert_eq!(without_a_row, Some((1, "0.000000000".to_owned())));
    let booked = "SELECT purchases.user_id,
            date_diff('day', played.event_date, (SELECT max(event_date) FROM user_daily_metrics)),
            count(*), sum(purchases.price_usd)::VARCHAR
        FROM purchases_counted AS purchases
        JOIN events_unique AS bought USING (app_id, event_id, event_date)
        JOIN events_unique AS played
            ON played.event_type = 3002 AND played.app_id = bought.app_id
            AND played.session_id = bought.session_id
        GROUP BY ALL";
    let booked: Vec<(String, i64, i64, String)> =
        serde_json::from_str(&stack.rows(booked).await).unwrap();
    let booked: BTreeMap<PlayerDay, (i64, String)> =
        booked.into_iter().map(|(user, back, n, usd)| ((user, back), (n, usd))).collect();
    assert_same(&booked, &expected);

    // Questline's own metrics have a purchase on its own day, and that is seen.
    let own = "SELECT user_id,
            date_diff('day', event_date, (SELECT max(event_date) FROM user_daily_metrics)),
            revenue_usd::VARCHAR
        FROM user_daily_metrics WHERE revenue_usd > 0";
    let own: Vec<(String, i64, String)> = serde_json::from_str(&stack.rows(own).await).unwrap();
    let own: BTreeMap<PlayerDay, String> =
        own.into_iter().map(|(user, back, usd)| ((user, back), usd)).collect();
    let expected: BTreeMap<PlayerDay, String> =
        expected.into_iter().map(|(key, (_, usd))| (key, usd)).collect();
    let elsewhere = differing(&own, &expected).len();
    assert_eq!(elsewhere, if long() { 590 } else { 153 }, "of {}", expected.len());
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
