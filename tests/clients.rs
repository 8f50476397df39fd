//! The client examples beside ingest, each where its language is on the machine: offline first, then
//! against a server, then once more with what was sent already.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use support::Stack;

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/ingest/clients")
}

/// What is asked of a client: to note some events, then to send what waits.
struct Ask<'a> {
    url: &'a str,
    key: &'a str,
    queue: &'a Path,
    note: usize,
}

type Client = fn(&Ask<'_>) -> Command;

fn python(ask: &Ask<'_>) -> Command {
    let script = "import sys; from questline import Questline
url, key, queue, note = sys.argv[1:]
client = Questline(url, key, queue)
for at in range(int(note)): client.track('python', 1002, {'level_id': str(at), 'name': 'ü\"\\n'})
sys.exit(0 if client.flush(tries=1) else 1)";
    let mut command = Command::new("python3");
    command.args(["-B", "-c", script]);
    with(command, ask)
}

fn node(ask: &Ask<'_>) -> Command {
    let script = "import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Questline } from './questline.js';
const [url, key, queue, note] = process.argv.slice(1);
const storage = { getItem: () => (existsSync(queue) ? readFileSync(queue, 'utf8') : null), setItem: (_, text) => writeFileSync(queue, text) };
const client = new Questline(url, key, { storage, every: 0 });
for (let at = 0; at < Number(note); at++) client.track('node', 1002, { level_id: String(at), name: 'ü\"\\n' });
process.exit((await client.flush(1)) ? 0 : 1);";
    let mut command = Command::new("node");
    command.args(["--input-type=module", "-e", script]);
    with(command, ask)
}

fn shell(ask: &Ask<'_>) -> Command {
    let events: String = (0..ask.note)
        .map(|at| {
            let event = support::event(&format!("shell-{at}"));
            let user = event.find("u-").unwrap();
            format!("{}shell{}\n", &event[..user], &event[user + 3..])
        })
        .collect();
    if ask.note > 0 {
        std::fs::write(ask.queue, events).unwrap();
    }
    let mut command = Command::new("./questline.sh");
    command.env("QUESTLINE_TRIES", "1").args([ask.url, ask.key]).arg(ask.queue);
    command.current_dir(clients());
    command
}

fn with(mut command: Command, ask: &Ask<'_>) -> Command {
    command.args([ask.url, ask.key]).arg(ask.queue).arg(ask.note.to_string());
    command.current_dir(clients());
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn every_client_waits_offline_sends_in_batches_and_sends_again_harmlessly() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let clients: [(&str, &str, Client); 3] =
        [("python", "python3", python), ("node", "node", node), ("shell", "jq", shell)];
    for (name, needed, client) in clients {
        if Command::new(needed).arg("--version").output().is_err() {
            questline_testing::skip(&format!("client-{name}"), &format!("{needed} is missing"));
            continue;
        }
        let queue = folder.path().join(name);
        let run = |url: &str, key: &str, note| {
            client(&Ask { url, key, queue: &queue, note }).output().unwrap()
        };
        let offline = run(NOWHERE, "local", 450);
        assert_eq!(offline.status.code(), Some(1), "{name} offline: {}", said(&offline));
        let waiting = std::fs::read(&queue).unwrap();

        let refused = run(&stack.url, "nobody's", 0);
        assert!(refused.status.code() != Some(0), "{name} with another key");
        assert_eq!(std::fs::read(&queue).unwrap(), waiting, "{name}: the queue is kept");

        let sent = run(&stack.url, "local", 0);
        assert!(sent.status.success(), "{name}: {}", said(&sent));
        // The answer was lost: everything waits again.
        std::fs::write(&queue, &waiting).unwrap();
        let again = run(&stack.url, "local", 0);
        assert!(again.status.success(), "{name} again: {}", said(&again));
        stack.settle().await;
        let rows = format!("SELECT count(*) FROM events WHERE user_id = '{name}'");
        assert_eq!(stack.number(&rows).await, 450, "{name}");
    }
    let letters = "SELECT count(*) FROM events_dlq";
    assert_eq!(stack.number(letters).await, 0, "what clients send is well formed");
}
