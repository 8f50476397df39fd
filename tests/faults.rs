//! Full disks, locked and damaged directories: a clear message, and nothing acknowledged that is
//! not kept.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use questline_client::Reply;
use questline_testing::skip;
use support::{Stack, binary, event, said};

/// Starts a stack that is expected to end by itself.
fn failed_start(directory: &Path) -> (Output, Duration) {
    let started = Instant::now();
    let output = Command::new(binary("questline-stack"))
        .args(["--no-players", "--port", "0", "--data-dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output, started.elapsed())
}

#[test]
fn a_locked_directory_is_said_to_be_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let _owner = Stack::start(&directory);
    let (second, took) = failed_start(&directory);
    assert!(!second.status.success());
    let text = String::from_utf8_lossy(&second.stderr);
    assert!(text.contains("in use by another process"), "{text}");
    assert!(took < Duration::from_secs(10));
}

#[test]
fn a_damaged_file_is_named_and_so_is_the_mend() {
    for file in ["log.sqlite", "warehouse.duckdb"] {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("data");
        assert!(Stack::start(&directory).terminate().success());
        let path = directory.join(file);
        for side in ["-wal", "-shm", ".wal"] {
            _ = fs::remove_file(directory.join(format!("{file}{side}")));
        }
        fs::write(&path, vec![b'x'; 100_000]).unwrap();
        let (output, _) = failed_start(&directory);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{file}");
        assert!(
            text.contains(file) && text.contains("damaged") | text.contains("cannot be used"),
            "{text}"
        );
        assert!(text.contains("restore it from a backup"), "{text}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(binary("questline-stack"))
        .args(["--no-players", "--port", &port, "--data-dir"])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("--port"), "{text}");
}

/// A stack whose directory is a small file system of its own.
fn on_a_small_disk(directory: &Path) -> Option<Stack> {
    fs::create_dir_all(directory).unwrap();
    let possible = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none"])
        .arg(directory)
        .stderr(Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        return None;
    }
    let script = "mount -t tmpfs -o size=24m none \"$1\" && exec \"$2\" --no-players --port 0 --data-dir \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.arg(directory).arg(binary("questline-stack"));
    command.stdin(Stdio::null());
    // The address is written inside; it is read through the process's own root.
    Some(Stack::spawn_inside(command, directory))
}

#[tokio::test]
async fn a_full_disk_defers_and_what_was_acknowledged_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let Some(stack) = on_a_small_disk(&directory) else {
        return skip("full-disk", "user namespaces with mounts are not permitted here");
    };
    let ingest = stack.ingest();
    let (mut acknowledged, mut deferred, mut ready) = (Vec::new(), 0, true);
    for batch in 0..2_000 {
        let ids: Vec<_> = (0..200).map(|n| format!("{batch}-{n}")).collect();
        // Text that does not compress.
        let noise = |id: &String| {
            let noise: String = (0..40).map(|_| fastrand::u128(..).to_string()).collect();
            event(id).replace(r#""level_id""#, &format!(r#""noise":"{noise}","level_id""#))
        };
        let body = format!("[{}]", ids.iter().map(noise).collect::<Vec<_>>().join(","));
        match ingest.post(body.as_bytes(), None).await.unwrap() {
            Reply::Receipt(receipt, retry_after) => {
                assert_eq!(receipt.received, 200);
                assert_eq!(receipt.stored + receipt.deferred, 200);
                if receipt.deferred > 0 {
                    assert!(retry_after.is_some(), "Retry-After");
                    assert!(receipt.results.iter().all(|event| event.retryable));
                    deferred += receipt.deferred;
                    // What room is left may do for a probe still; each takes some of it.
                    let probed = reqwest::get(format!("{}/readyz", stack.url)).await.unwrap();
                    ready = probed.status() == 200;
                    if !ready {
                        break;
                    }
                } else {
                    acknowledged.extend(ids);
                }
            }
            Reply::Refused { status, detail, .. } => panic!("{status} {detail}"),
        }
    }
    assert!(deferred > 0, "24 MB hold all that");
    assert!(!ready, "ready, though the disk is full");
    let alive = reqwest::get(format!("{}/healthz", stack.url)).await.unwrap();
    assert_eq!(alive.status(), 200);

    assert!(stack.inside(&format!("mount -o remount,size=400m {}", directory.display())));
    let mut stored = 0;
    for _ in 0..100 {
        if let Ok(Reply::Receipt(receipt, _)) = ingest.post(event("after").as_bytes(), None).await {
            stored = receipt.stored;
            if stored == 1 {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stored, 1, "without a restart: {}", said(&directory));
    stack.settle().await;
    let rows: Vec<Vec<String>> =
        serde_json::from_str(&stack.rows("SELECT event_id FROM events").await).unwrap();
    let kept: std::collections::HashSet<_> = rows.iter().map(|row| row[0].as_str()).collect();
    let lost = acknowledged.iter().filter(|id| !kept.contains(id.as_str())).count();
    println!(
        "{} acknowledged, {deferred} deferred, {lost} lost, {} rows",
        acknowledged.len(),
        rows.len()
    );
    assert_eq!(lost, 0);
    assert_eq!(kept.len(), rows.len(), "each event once");
}
