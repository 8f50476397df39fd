//! What people type: send, query, ledger, and the help of every command.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use support::{Stack, binary, event};

fn questline(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("questline"));
    command.arg("--data-dir").arg(directory).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn send_tells_what_became_of_every_line() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let stack = Stack::start(&directory);
    let file = folder.path().join("events.ndjson");
    let good: Vec<_> = (0..1_200).map(|n| event(&n.to_string())).collect();
    let broken = ["[1,2]", "{\"id\":", "17", "", "[oops"];
    std::fs::write(
        &file,
        [&broken[..], &good.iter().map(String::as_str).collect::<Vec<_>>()].concat().join("\n"),
    )
    .unwrap();
    let sent = questline(&directory, &["send", file.to_str().unwrap()]);
    assert_eq!(sent.status.code(), Some(1), "not everything was stored");
    let text = out(&sent);
    assert!(text.starts_with("1204 received, 1200 stored, 4 rejected, 0 deferred\n"), "{text}");
    assert!(
        text.contains("2 rejected: malformed_json") && text.contains("2 rejected: not_an_object"),
        "{text}"
    );

    let zipped = folder.path().join("more.ndjson.gz");
    let mut gzip = flate2::write::GzEncoder::new(
        std::fs::File::create(&zipped).unwrap(),
        flate2::Compression::fast(),
    );
    writeln!(gzip, "{}", event("zipped")).unwrap();
    gzip.finish().unwrap();
    let sent = questline(&directory, &["send", zipped.to_str().unwrap()]);
    assert!(sent.status.success(), "{}", out(&sent));
    let wrong = questline(&directory, &["send", "--key", "wrong", zipped.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(out(&wrong).contains("the write key is not known"), "{}", out(&wrong));
    let missing = questline(&directory, &["send", "/nowhere.ndjson"]);
    assert_eq!(missing.status.code(), Some(2));
    stack.settle().await;
    assert_eq!(stack.number("SELECT count(*) FROM events").await, 1_201);
}

#[tokio::test]
async fn query_answers_the_running_stack_and_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let stack = Stack::start(&directory);
    stack.ingest().post(event("a").as_bytes(), None).await.unwrap();
    stack.settle().await;
    let sql = "SELECT event_id, level_id, city FROM events";
    let running = out(&questline(&directory, &["query", sql, "--format", "csv"]));
    assert_eq!(running, "event_id,level_id,city\na,7,\n");
    let refused = questline(&directory, &["query", "DROP TABLE events"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("only one SELECT"));
    let ledger = questline(&directory, &["ledger", "--wait"]);
    assert!(ledger.status.success(), "{}", String::from_utf8_lossy(&ledger.stderr));
    assert!(out(&ledger).contains("Nothing is missing"), "{}", out(&ledger));

    // Its address may be named; whoever names it needs its token all the same.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let named = ["query", sql, "--format", "csv", "--url", stack.url.as_str()];
    let stranger = questline(&elsewhere, &named);
    assert_eq!(stranger.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("--data-dir"));
    std::fs::copy(directory.join("operator.token"), elsewhere.join("operator.token")).unwrap();
    assert_eq!(out(&questline(&elsewhere, &named)), running);
    let nobody = questline(&directory, &["query", sql, "--url", "http://127.0.0.1:9"]);
    assert_eq!(nobody.status.code(), Some(2), "what was named is asked, and nothing else");

    stack.kill();
    let json = out(&questline(&directory, &["query", sql, "--format", "json"]));
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows, serde_json::json!([{"event_id": "a", "level_id": "7", "city": null}]));
    let nowhere = questline(&folder.path().join("nothing"), &["query", sql]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("scripts/run-local"));
}

#[tokio::test]
async fn what_is_deferred_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let stack = Stack::start(&directory);
    let url = stack.url.clone();
    let port = url.rsplit(':').next().unwrap().to_owned();
    stack.kill();
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, event("patient")).unwrap();
    let sending = {
        let (directory, file) = (directory.clone(), file.clone());
        std::thread::spawn(move || {
            questline(&directory, &["send", "--url", &url, file.to_str().unwrap()])
        })
    };
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let stack = Stack::start_with(&directory, &["--no-players", "--port", &port]);
    let sent = tokio::task::spawn_blocking(|| sending.join().unwrap()).await.unwrap();
    assert!(sent.status.success(), "{}", out(&sent));
    stack.settle().await;
    assert_eq!(stack.number("SELECT count(*) FROM events").await, 1);
    let impatient = questline(
        &directory,
        &["send", "--url", "http://127.0.0.1:9", "--patience", "1", file.to_str().unwrap()],
    );
    assert_eq!(impatient.status.code(), Some(1));
    assert!(out(&impatient).starts_with("1 received, 0 stored, 0 rejected, 1 deferred"));
}

#[test]
fn every_command_has_help() {
    let commands = ["send", "query", "ledger", "reprocess", "replay", "daily", "topics"];
    for command in commands {
        let help = questline(Path::new("."), &[command, "--help"]);
        assert!(help.status.success() && out(&help).contains("Usage:"), "{command}");
    }
    let help = questline(Path::new("."), &["--help"]);
    assert!(commands.iter().all(|command| out(&help).contains(command)), "{}", out(&help));
    let unknown = questline(Path::new("."), &["dance"]);
    assert_eq!(unknown.status.code(), Some(2));
}
