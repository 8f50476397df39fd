//! The client examples beside ingest, each where its language is on the machine: offline first, then
//! against a server, then once more with what was sent already; against a server that tries their
//! patience; and the browser's in a browser.
#![allow(clippy::unwrap_used, reason = "test helpers")]

#[path = "clients/languages.rs"]
mod languages;
mod support;
#[path = "clients/tired.rs"]
mod tired;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use axum::{Router, http::header, response::Html, routing::get};
use languages::{Client, clients, said};
use serde_json::{Value, json};
use support::{Stack, browser::Browser};
use tired::{DEFERRED, Tired, Tried, Turn, serve};
use tokio::task::{JoinSet, spawn_blocking};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// More than two batches.
const EVENTS: usize = 450;

#[tokio::test]
async fn every_client_waits_offline_sends_in_batches_and_sends_again_harmlessly() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    for client in clients() {
        let name = client.name;
        let queue = folder.path().join(name);
        let run = |url: &str, key: &str, events| client.run((url, key), &queue, events, 1);
        let offline = run(NOWHERE, "local", EVENTS);
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
        assert_eq!(usize::try_from(stack.number(&rows).await), Ok(EVENTS), "{name}");
    }
    let letters = "SELECT count(*) FROM events_dlq";
    assert_eq!(stack.number(letters).await, 0, "what clients send is well formed");
}

#[tokio::test]
async fn every_client_waits_as_it_is_told_and_sends_the_same_again_in_smaller_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut patient = JoinSet::new();
    for client in clients() {
        patient.spawn(is_patient(client, folder.path().join(client.name)));
    }
    patient.join_all().await;
}

/// Has a queue sent to a server that is tired, and looks at every request.
async fn is_patient(client: &'static Client, queue: PathBuf) {
    let (tired, url) = Tired::start().await;
    let ran = spawn_blocking(move || {
        client.run((NOWHERE, "local"), &queue, EVENTS, 1);
        let noted = ids(&queue);
        let sent = client.run((&url, "local"), &queue, 0, 20);
        (noted, sent, ids(&queue))
    });
    let (noted, sent, left) = ran.await.unwrap();
    let (name, tried) = (client.name, tired.tried());
    assert!(sent.status.success(), "{name}: {}", said(&sent));
    assert_eq!((noted.len(), left.len()), (EVENTS, 0), "{name}: the queue before and after");
    let mut known: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut settled = Vec::new();
    for request in &tried {
        assert_eq!(request.gzip, client.gzip, "{name}: gzip");
        for (id, event) in request.ids().into_iter().zip(&request.events) {
            assert_eq!(*known.entry(id).or_insert(event), event, "{name}: the same each time");
        }
        settled.extend(request.settled());
    }
    assert_eq!(settled.len(), EVENTS, "{name}: each event once");
    let settled: BTreeSet<String> = settled.into_iter().map(str::to_owned).collect();
    assert!(settled == noted, "{name}: every event, by its own id");
    for pair in tried.windows(2) {
        follows(name, &pair[0], &pair[1]);
    }
}

/// What is sent after an answer, and when.
fn follows(name: &str, before: &Tried, after: &Tried) {
    let (turn, sent, again) = (before.turn, before.ids(), after.ids());
    match turn {
        Turn::Stored => {}
        Turn::TooMany => assert_eq!(again, sent[..sent.len() / 2], "{name}: half as many"),
        Turn::Deferred => assert!(again.contains(&sent[DEFERRED]), "{name}: {turn:?}"),
        Turn::Away | Turn::Lost | Turn::Gateway => assert_eq!(again, sent, "{name}: {turn:?}"),
    }
    let waited = after.arrived - before.arrived;
    // A date is none of the forms that a client reads: it waits as if nothing had been said.
    let told = matches!(turn, Turn::Away | Turn::Deferred | Turn::Gateway);
    assert!(!told || waited >= Duration::from_secs(1), "{name}: {waited:?} after {turn:?}");
}

/// The ids of a queue: it has one event a line, whatever else is there.
fn ids(queue: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(queue).unwrap();
    let ids = text.lines().map(|line| line.split_once(r#""id":""#).unwrap().1);
    ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn in_a_browser_tabs_lose_nothing_and_a_page_that_goes_away_sends_by_a_beacon() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(800, 600).await else { return };
    // A game's page has an origin of its own.
    let script = include_str!("../functions/ingest/clients/questline.js");
    let script = move || async move { ([(header::CONTENT_TYPE, "text/javascript")], script) };
    let page = || async { Html("<!doctype html><title>A game</title>") };
    let app = Router::new().route("/", get(page)).route("/questline.js", get(script));
    let game = serve(app).await;
    // Tabs are clients of one localStorage.
    let client = format!("new Questline('{}', 'local', {{ every: 0 }})", stack.url);
    let with = |body: &str| {
        format!("return import('/questline.js').then(async ({{ Questline }}) => {{ {body} }})")
    };
    let note = "track('browser', 1002, { level_id: String(at), name: 'ü' })";

    browser.open(&game).await;
    let script = with(&format!(
        "window.tabs = [{client}, {client}];
        for (let at = 0; at < 6; at++) tabs[at % 2].{note};
        return [await {client}.flush(1), localStorage.length]"
    ));
    assert_eq!(browser.run(&script).await, json!([true, 0]));
    assert_eq!(arrived(&stack, 6).await, 6, "what one tab noted, the other kept");

    browser.run(&format!("for (let at = 6; at < 9; at++) tabs[0].{note}")).await;
    browser.open(&format!("{game}/?again")).await;
    assert_eq!(arrived(&stack, 9).await, 9, "the beacon");
    let script = with(&format!("return [localStorage.length, await {client}.flush(1)]"));
    assert_eq!(browser.run(&script).await, json!([3, true]), "nobody heard its answer");
    assert_eq!(arrived(&stack, 9).await, 9, "what was sent twice is there once");
}

/// Rows of the browser's player, as soon as there are that many, or after a while.
async fn arrived(stack: &Stack, expected: i64) -> i64 {
    let began = Instant::now();
    loop {
        stack.settle().await;
        let rows = stack.number("SELECT count(*) FROM events WHERE user_id = 'browser'").await;
        if rows >= expected || began.elapsed() > Duration::from_secs(20) {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
