//! The page in a real browser: what a person does and sees.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Stack, browser::Browser, event, now_micros};

const LIVE: &str = "document.getElementById('state').dataset.state === 'live'";

/// The sum of what a plot shows of one of its lines.
fn shown(label: &str, line: usize) -> String {
    format!(
        "[...document.querySelectorAll('article')].filter(a => a.ariaLabel === '{label}')\
         .flatMap(a => [...a.querySelectorAll('.body, .body > div')])\
         .filter(b => b.plot).map(b => b.plot.uplot.data[{line}].reduce((s, n) => s + n, 0))[0]"
    )
}

#[tokio::test]
async fn an_event_sent_by_the_form_is_seen_with_its_verdict_and_the_plots_move() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    browser.open(&stack.url).await;
    browser.until("the page is live", LIVE).await;
    browser.run("document.getElementById('minutes').scrollIntoView()").await;
    browser
        .until(
            "what is empty says so",
            "document.body.innerText.includes('No event happened in this range.')",
        )
        .await;

    browser.run("document.getElementById('events').scrollIntoView()").await;
    browser.run("document.querySelector('.sender button.main').click()").await;
    let good =
        "document.querySelector('.said [data-state=good]')?.textContent.includes('Accepted')";
    let waited = browser.until("the verdict of the event", good).await;
    assert!(waited < Duration::from_secs(2), "it took {waited:?}");
    let row = "document.querySelector('.event[data-verdict=accepted]')";
    browser.until("the event is in the browser", row).await;
    browser.run(&format!("{row}.open = true")).await;
    browser.until("what it became", &format!("{row}.innerText.includes('level_complete')")).await;
    let bytes = "{\\n  \"id\": \"test-";
    let bytes = format!("{row}.querySelector('.sent pre')?.textContent.startsWith('{bytes}')");
    browser.until("its very bytes", &bytes).await;

    let faulty = "const pick = document.querySelector('.sender [name=example]');
        pick.value = 'a faulty one'; pick.dispatchEvent(new Event('change'));
        document.querySelector('.sender button.main').click()";
    browser.run(faulty).await;
    let bad = "document.querySelector('.said [data-state=bad]')?.textContent";
    browser.until("the fault", &format!("{bad}?.includes('invalid_parameters')")).await;
    let letter = "document.querySelector('.event[data-verdict=invalid_parameters]')";
    browser.until("the letter is in the browser", letter).await;
    browser.run(&format!("{letter}.open = true")).await;
    let bytes = format!("{letter}.innerText.includes('\"level\": 7')");
    browser.until("its very bytes", &bytes).await;

    browser.run("scrollTo(0, 0)").await;
    browser
        .until("the live plot moves", &format!("{} > 0", shown("Events a second, live", 1)))
        .await;
    browser.run("document.getElementById('minutes').scrollIntoView()").await;
    browser
        .until("the plot of types moves", &format!("{} === 1", shown("Events by type", 1)))
        .await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_page_is_light_and_quick() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    browser.open(&stack.url).await;
    browser.until("the page is live", LIVE).await;
    let paint = "return performance.getEntriesByName('first-contentful-paint')[0].startTime";
    let paint = browser.run(paint).await.as_f64().unwrap();
    assert!(paint < 1_000.0, "first paint after {paint} ms");
    let sizes = "return performance.getEntriesByType('resource')
        .concat(performance.getEntriesByType('navigation'))
        .filter(e => e.name.includes('/page/') || e.entryType === 'navigation')
        .reduce((sum, e) => sum + e.transferSize, 0)";
    let bytes = browser.run(sizes).await.as_f64().unwrap();
    assert!((10_000.0..300_000.0).contains(&bytes), "{bytes} bytes");
}

#[tokio::test]
async fn the_interface_is_readable_as_it_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    browser.open(&format!("{}/docs", stack.url)).await;
    browser.until("it is drawn", "document.querySelector('#post-v1-events')").await;
    let described = reqwest::get(format!("{}/openapi.json", stack.url)).await.unwrap();
    let described: Value = described.json().await.unwrap();
    let text = browser.run("return document.body.innerText").await.to_string();
    for path in described["paths"].as_object().unwrap().keys() {
        assert!(text.contains(path.as_str()), "{path} is not shown");
    }
    for member in described["components"]["schemas"]["Event"]["properties"].as_object().unwrap() {
        assert!(text.contains(member.0.as_str()), "{} is not shown", member.0);
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// Markup, quotes, a script, NUL, and marks that turn the direction of a text.
const HOSTILE: &str = "<img src=x onerror=\"window.planted=1\"><script>window.planted=1</script>'\"\u{202e}\u{0}javascript:planted=1";

#[tokio::test]
async fn what_a_client_sends_is_text_and_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    let now = questline_events::time::text(now_micros());
    let mut planted = json!({ "timestamp": now, "type": 1002, HOSTILE: HOSTILE,
        "parameters": { "level_id": HOSTILE, "transaction_id": HOSTILE, HOSTILE: HOSTILE } });
    for name in ["id", "user_id", "session_id", "app_version", "platform", "device_model"] {
        planted[name] = Value::from(HOSTILE);
    }
    let mut dead = planted.clone();
    dead["parameters"]["level_id"] = json!({ HOSTILE: HOSTILE });
    let body = json!([planted, dead]).to_string();
    stack.ingest().post(body.as_bytes(), None).await.unwrap();
    stack.settle().await;

    browser
        .open(&format!("{}/?user=%3Cscript%3Eplanted=1%3C/script%3E&app=%22%3E", stack.url))
        .await;
    browser.until("the page is live", LIVE).await;
    browser.open(&stack.url).await;
    for section in ["now", "ledger", "minutes", "levels", "players", "letters", "runs", "events"] {
        browser.run(&format!("document.getElementById('{section}').scrollIntoView()")).await;
        browser.run("document.querySelectorAll('details').forEach(d => d.open = true)").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let seen = |place: &str| {
        format!(
            "[...document.querySelectorAll('{place}')].some(e => e.innerText.includes('<img src=x') && e.innerText.includes('\u{27e8}U+202E\u{27e9}\u{2400}javascript'))"
        )
    };
    browser.until("the level's name", &seen("#levels th")).await;
    browser.until("the letter's bytes as sent", "[...document.querySelectorAll('#letters pre')].some(e => e.innerText.includes('onerror='))").await;
    browser.run("document.querySelectorAll('.event').forEach(d => d.open = true)").await;
    browser.until("the event", &seen(".event .who")).await;
    let foreign = "return [window.planted ?? null, document.querySelectorAll('main img, main script, iframe').length]";
    assert_eq!(browser.run(foreign).await, json!([null, 0]));

    // The policy holds even where markup gets in.
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.planted=1\">');
        const script = document.createElement('script'); script.text = 'window.planted=1'; document.body.append(script)").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(browser.run("return window.planted ?? null").await, Value::Null);
    let refused = browser.complaints().await;
    assert!(refused.iter().any(|said| said.contains("Content Security Policy")), "{refused:?}");
}

#[tokio::test]
async fn what_is_broken_is_shown_as_broken_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let stack = Stack::start(&directory);
    let Some(browser) = Browser::start(1280, 900).await else { return };
    stack.ingest().post(event("before").as_bytes(), None).await.unwrap();
    browser.open(&stack.url).await;
    browser.until("the page is live", LIVE).await;
    let port = stack.url.rsplit(':').next().unwrap().to_owned();
    stack.kill();
    let banner = "!document.getElementById('broken').hidden && document.getElementById('broken').innerText.includes('does not answer')";
    browser.until("the banner", banner).await;
    assert_eq!(
        browser.run("return document.getElementById('state').textContent").await,
        "Not answering"
    );
    browser.picture("broken.png").await;
    let _stack = Stack::start_with(&directory, &["--no-players", "--port", &port]);
    browser.until("it is back", LIVE).await;
    browser.until("the banner is gone", "document.getElementById('broken').hidden").await;
}

/// Alerts are a pure function of the page: facts in, sentences out.
#[tokio::test]
async fn a_pipeline_that_stands_still_or_loses_something_is_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    browser.open(&stack.url).await;
    browser.until("the page is live", LIVE).await;
    let script = "return import('/page/alerts.js').then(({ alerts }) => {
        const sample = { stored: 9, accepted: 1, duplicate: 0, dead_lettered: 0, lag: 8, retries: 0, deferred: 0, working: true };
        const still = Array(10).fill(sample);
        const moving = still.map((s, at) => ({ ...s, accepted: at }));
        const minute = { bucket: '2026-11-25T10:00:00Z', read: 100, dead_lettered: 2 };
        const lost = { hop: 'log', residue: 1, unproved: 0, first_missing: '2026-11-25T10:00:00Z' };
        const failed = { state: 'failed', step: 'wait', event_date: '2026-11-24', error: 'a minute is open' };
        const now = Date.parse('2026-11-25T10:10:00Z');
        const told = facts => alerts(facts, now).map(a => a.level + ' ' + a.text);
        return { nothing: told({ samples: moving, day: [{ ...minute, dead_lettered: 1 }], residue: [{ ...lost, residue: 0 }], runs: [], quality: [] }),
            still: told({ samples: still }), ended: told({ samples: [{ ...sample, working: false, lag: 0 }] }),
            letters: told({ day: [minute] }), lost: told({ residue: [lost] }), failed: told({ runs: [failed] }),
            quiet: alerts({ day: [minute] }, now + 3600e3).map(a => a.level) };
    })";
    let told = browser.run(script).await;
    assert_eq!(told["nothing"], json!([]));
    let first = |name: &str| told[name][0].as_str().unwrap_or_default().to_owned();
    assert!(first("still").starts_with("critical Processing stands still while 8 records wait"));
    assert!(first("ended").starts_with("critical Processing does not run"));
    assert!(
        first("letters").starts_with("warning 2.0 % of the events of 24 hours are dead letters")
    );
    assert!(
        first("lost")
            .starts_with("critical 1 record is missing at the hop log, in the minute 10:00:00")
    );
    assert!(
        first("failed").starts_with("high The run of 2026-11-24 failed at wait: a minute is open")
    );
    assert_eq!(told["quiet"], json!(["critical", "warning"]));
}
