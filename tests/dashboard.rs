//! The page in a real browser: what a person does and sees.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Stack, browser::Browser, event, in_time, now_micros};

const LIVE: &str = "document.getElementById('state').dataset.state === 'live'";

/// An expression, in sight of a section: only what is seen is asked for, and what is above it grows.
fn at(section: &str, expression: &str) -> String {
    format!("(document.getElementById('{section}').scrollIntoView(), {expression})")
}

/// The picture that a plot has drawn, where it is seen.
fn drawn(label: &str) -> String {
    format!(
        "[...document.querySelectorAll('article[aria-label=\"{label}\"] canvas')]\
         .filter(c => c.checkVisibility() && c.offsetWidth > 200).map(c => c.toDataURL())[0]"
    )
}

/// The sum of what a plot shows of one of its lines.
fn shown(label: &str, line: usize) -> String {
    format!(
        "[...document.querySelectorAll('article')].filter(a => a.ariaLabel === '{label}')\
         .flatMap(a => [...a.querySelectorAll('.body, .body > div')])\
         .filter(b => b.plot).map(b => b.plot.uplot.data[{line}].reduce((s, n) => s + n, 0))[0]"
    )
}

/// What the live plot's link saves, which the page itself writes: its first line, and how many there are.
async fn saved(browser: &Browser) -> Value {
    let script = "const make = URL.createObjectURL;
        const saved = new Promise(resolve => URL.createObjectURL = blob => (resolve(blob.text()), make.call(URL, blob)));
        document.addEventListener('click', event => event.preventDefault(), { capture: true, once: true });
        document.querySelector('article[aria-label=\"Events a second, live\"] .numbers a').click();
        return saved.then(text => text.trim().split('\\r\\n')).then(lines => [lines[0], lines.length])";
    browser.run(script).await
}

#[tokio::test]
async fn an_event_sent_by_the_form_is_seen_with_its_verdict_and_the_plots_move() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    // Until the warehouse is open, the page says so, and the browser complains.
    stack.number("SELECT 1").await;
    browser.open(&stack.url).await;
    browser.until("the page is live", LIVE).await;
    let empty = "document.body.innerText.includes('No event happened in this range.')";
    browser.until("what is empty says so", &at("minutes", empty)).await;

    browser.run(&format!("window.before = {}", drawn("Events a second, live"))).await;
    browser.run("document.getElementById('events').scrollIntoView()").await;
    let good =
        "document.querySelector('.said [data-state=good]')?.textContent.includes('Accepted')";
    let sent = in_time(Duration::from_secs(2), 3, async |_| {
        browser.run("document.querySelector('.sender button.main').click()").await;
        browser.until("the verdict of the event", good).await
    })
    .await;
    let row = "document.querySelector('.event[data-verdict=accepted]')";
    let rows = "document.querySelectorAll('.event[data-verdict=accepted]').length";
    let all = format!("{rows} === {sent}");
    browser.until("the event is in the browser, and no more are to come", &all).await;
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
    let fate = "document.querySelector('#letters .fate[data-state=bad]')";
    let again = "A reprocess now would fail again: invalid_parameters: level_id.";
    let again = format!("{fate}?.textContent.startsWith('{again}')");
    browser.until("what would become of it now", &at("letters", &again)).await;

    browser.run("scrollTo(0, 0)").await;
    browser
        .until("the live plot moves", &format!("{} > 0", shown("Events a second, live", 1)))
        .await;
    let saved = saved(&browser).await;
    let head = "second,acknowledged,became_rows,dead_letters,lag";
    assert_eq!((&saved[0], saved[1].as_u64() > Some(2)), (&json!(head), true), "{saved}");
    let anew = format!("window.before && {0} && {0} !== before", drawn("Events a second, live"));
    browser.until("it is drawn anew", &anew).await;
    // Another range is another question: where a machine is slow, an answer is kept for long.
    let range = "const range = document.querySelector('#filters [name=range]');
        range.value = '24h'; range.dispatchEvent(new Event('change', { bubbles: true }))";
    browser.run(range).await;
    let types = shown("Events by type", 1);
    let types = format!("{types} === {sent} && {}", drawn("Events by type"));
    browser.until("the plot of types moves", &at("minutes", &types)).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// From the request of a page to its first paint.
async fn first_paint(browser: &Browser) -> Duration {
    let paint = "performance.getEntriesByName('first-contentful-paint')[0]";
    browser.until("its first paint", paint).await;
    let milliseconds = browser.run(&format!("return {paint}.startTime")).await;
    Duration::from_secs_f64(milliseconds.as_f64().unwrap() / 1_000.0)
}

#[tokio::test]
async fn the_page_is_light_and_quick() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    browser.open(&stack.url).await;
    browser.until("the page is live", LIVE).await;
    let sizes = "return performance.getEntriesByType('resource')
        .concat(performance.getEntriesByType('navigation'))
        .filter(e => e.name.includes('/page/') || e.entryType === 'navigation')
        .reduce((sum, e) => sum + e.transferSize, 0)";
    let bytes = browser.run(sizes).await.as_f64().unwrap();
    assert!((10_000.0..300_000.0).contains(&bytes), "{bytes} bytes");
    // All find nothing at hand.
    browser.devtools("Network.setCacheDisabled", json!({ "cacheDisabled": true })).await;
    in_time(Duration::from_secs(1), 5, async |before| {
        if before > 0 {
            browser.open(&stack.url).await;
        }
        first_paint(&browser).await
    })
    .await;
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

/// Comes to every section, and opens what can be opened.
async fn look_everywhere(browser: &Browser) {
    for section in ["now", "ledger", "minutes", "levels", "players", "letters", "runs", "events"] {
        browser.run(&format!("document.getElementById('{section}').scrollIntoView()")).await;
        browser.run("document.querySelectorAll('details').forEach(d => d.open = true)").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn what_a_client_sends_is_text_and_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    let now = questline_events::time::text(now_micros());
    let mut planted = json!({ "timestamp": now, "type": 1002, HOSTILE: HOSTILE,
        "parameters": { "level_id": HOSTILE, "transaction_id": HOSTILE, HOSTILE: HOSTILE,
            "boosters_used": [HOSTILE] } });
    let known = ["id", "user_id", "session_id", "app_version", "platform", "device_model"];
    for name in known.into_iter().chain(["country", "name", "event_name"]) {
        planted[name] = Value::from(HOSTILE);
    }
    let mut dead = planted.clone();
    dead["parameters"]["level_id"] = json!({ HOSTILE: HOSTILE });
    let body = json!([planted, dead]).to_string();
    stack.ingest().post(body.as_bytes(), None).await.unwrap();
    stack.settle().await;

    let foreign = "return [window.planted ?? null, document.querySelectorAll('main img, main script, iframe').length]";
    let texts = ["app", "user", "type", "verdict", "release", "platform", "country"];
    for range in [HOSTILE, "between"] {
        let ends = [("range", range), ("from", HOSTILE), ("to", HOSTILE), ("reason", HOSTILE)];
        let all = texts.map(|name| (name, HOSTILE)).into_iter().chain(ends);
        let address = reqwest::Url::parse_with_params(&stack.url, all).unwrap();
        browser.open(address.as_str()).await;
        browser.until("the page is live", LIVE).await;
        let asked = format!("{texts:?}.every(name => look.told(name).includes('<img src=x'))");
        browser.until("what the address asks for", &asked).await;
        look_everywhere(&browser).await;
        assert_eq!(browser.run(foreign).await, json!([null, 0]));
        assert_eq!(browser.run("return look.refused").await, json!([]));
    }
    browser.open(&stack.url).await;
    browser.until("the page is live", LIVE).await;
    look_everywhere(&browser).await;
    let seen = |place: &str| {
        format!(
            "[...document.querySelectorAll('{place}')].some(e => e.innerText.includes('<img src=x') && e.innerText.includes('\u{27e8}U+202E\u{27e9}\u{2400}javascript'))"
        )
    };
    browser.until("the level's name", &at("levels", &seen("#levels th"))).await;
    let bytes = "[...document.querySelectorAll('#letters pre')].some(e => e.innerText.includes('onerror='))";
    browser.until("the letter's bytes as sent", &at("letters", bytes)).await;
    browser.run("document.querySelectorAll('.event').forEach(d => d.open = true)").await;
    for (what, place) in [("player", ".event .who"), ("platform", ".event dd")] {
        browser.until(what, &seen(place)).await;
    }
    let sent = "[...document.querySelectorAll('.event .sent pre')].some(e => ['boosters_used', 'country', 'event_name', '<img src=x'].every(part => e.innerText.includes(part)))";
    browser.until("the event's bytes as sent", sent).await;
    let option = "[...look.field('platform').options].some(o => o.text.includes('<img src=x'))";
    browser.until("its platform to choose", option).await;
    assert_eq!(browser.run(foreign).await, json!([null, 0]));
    assert_eq!(browser.run("return look.refused").await, json!([]));

    // The policy holds even where markup gets in: nothing runs, and nothing leaves for elsewhere.
    browser.run("window.refused = [];
        document.addEventListener('securitypolicyviolation', said => refused.push(said.disposition + ' ' + said.effectiveDirective));
        document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.planted=1\">');
        const script = document.createElement('script'); script.text = 'window.planted=1'; document.body.append(script);
        new Image().src = 'http://127.0.0.2:9/'; fetch('http://127.0.0.2:9/').catch(() => {})").await;
    for directive in ["script-src-attr", "script-src-elem", "img-src", "connect-src"] {
        browser.until(directive, &format!("refused.includes('enforce {directive}')")).await;
    }
    assert_eq!(browser.run("return window.planted ?? null").await, Value::Null);
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
    let panel = "document.querySelector('article[aria-label^=\"What arrived\"]')?.dataset.state";
    let answered = format!("['filled', 'empty'].includes({panel})");
    browser.until("its panels are answered", &answered).await;
    let port = stack.url.rsplit(':').next().unwrap().to_owned();
    stack.kill();
    let banner = "!document.getElementById('broken').hidden && document.getElementById('broken').innerText.includes('does not answer')";
    browser.until("the banner", banner).await;
    assert_eq!(
        browser.run("return document.getElementById('state').textContent").await,
        "Not answering"
    );
    browser.until("its panels say so", &format!("{panel} === 'broken'")).await;
    browser.picture("broken.png").await;
    let _stack = Stack::start_with(&directory, &["--no-players", "--port", &port]);
    browser.until("it is back", LIVE).await;
    browser.until("the banner is gone", "document.getElementById('broken').hidden").await;
    browser.until("its panels ask again", &answered).await;
}

/// What the questions of a table are answered by, from the next page on.
async fn answered(browser: &Browser, table: &str, status: u16, body: Value) {
    let source = format!(
        "{{ const real = window.fetch; window.fetch = (url, ...more) => url.includes('{table}')
            ? Promise.resolve(Response.json({body}, {{ status: {status} }})) : real(url, ...more) }}"
    );
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
}

#[tokio::test]
async fn what_is_lost_and_what_cannot_be_asked_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    let alert = |level: &str, text: &str| {
        format!(
            "[...document.querySelectorAll('.alert[data-level={level}]')].some(a => a.checkVisibility() && a.innerText.includes('{text}'))"
        )
    };
    let columns = ["hop", "bucket", "residue", "unproved", "open", "proved", "first_missing"];
    // Without an event the strip of 14 days has cells of three hours.
    let now = now_micros();
    let cell = questline_events::time::text(now - now % (3 * 3_600_000_000));
    let rows = json!([["log", cell, 1, 0, 0, 5, cell], ["process", cell, 0, 0, 0, 5, null]]);
    let lost = json!({ "columns": columns, "rows": rows });
    answered(&browser, "ledger_residue", 200, lost).await;
    browser.open(&stack.url).await;
    let hops = "[...document.querySelectorAll('.hop[data-state=lost]')].map(h => h.innerText.replace(/\\s+/g, ' ')).join().startsWith('Log 1 missing since')";
    browser.until("the hop that lost something", hops).await;
    let cells = "document.querySelectorAll('.cells i[data-state=lost]').length === 1";
    browser.until("and its minute", cells).await;
    browser.until("an alert", &alert("critical", "1 record is missing at the hop log")).await;

    let problem = json!({ "detail": "the warehouse is in use", "status": 503 });
    answered(&browser, "ledger_residue", 503, problem).await;
    browser.open(&stack.url).await;
    let panel = "document.querySelector('article[aria-label=\"Hop by hop\"]')";
    let words = format!(
        "{panel}?.dataset.state === 'broken' && {panel}.innerText.includes('the warehouse is in use')"
    );
    browser.until("words in its place", &words).await;
    browser.until("an alert", &alert("high", "the warehouse is in use")).await;
    browser.until("the page is live all the same", LIVE).await;
}

#[tokio::test]
async fn a_day_that_stands_alone_is_drawn_and_one_without_a_mean_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    let columns =
        ["event_date", "purchases", "payers", "revenue_usd", "arpdau", "arppu", "provisional"];
    let rows = json!([
        ["2026-11-24", 2, 2, 9.98, null, null, false],
        ["2026-11-25", 1, 1, 4.99, 0.5, 4.99, true]
    ]);
    let days = json!({ "columns": columns, "rows": rows });
    answered(&browser, "revenue_daily_metrics", 200, days).await;
    stack.number("SELECT 1").await;
    browser.open(&stack.url).await;
    let means = "Revenue per active player";
    let panel = format!("document.querySelector('article[aria-label=\"{means}\"]')");
    // What is above it grows meanwhile, and only what is in sight is asked for.
    let point = format!("({panel}?.scrollIntoView(), look.painted('{means}', '--plot-2'))");
    browser.until("its point", &point).await;
    let words = format!(
        "{panel}.querySelector('.sum').innerText.includes('Every day has its mean where one app')"
    );
    browser.until("why the other day has none", &words).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// Alerts are a pure function of the page: facts in, sentences out.
#[tokio::test]
async fn a_pipeline_that_stands_still_or_loses_something_is_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let Some(browser) = Browser::start(1280, 900).await else { return };
    stack.ingest().post(b"{\"id\":\"faulty\"}", None).await.unwrap();
    stack.settle().await;
    browser.open(&stack.url).await;
    browser.until("the page is live", LIVE).await;
    let seen = "[...document.querySelectorAll('.alert[data-level=warning]')].some(a => a.checkVisibility() && a.innerText.includes('100.0 % of the events of 24 hours are dead letters'))";
    browser.until("an alert is seen", seen).await;
    let tile = "document.querySelector('[data-tile=errors] .figure').innerText === '100.0 %'";
    browser.until("its figure", tile).await;
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
            behind: told({ samples: [{ ...sample, lag: 100_001 }] }),
            retried: told({ samples: [sample, { ...sample, retries: 2 }] }),
            deferred: told({ samples: [sample, { ...sample, deferred: 3 }] }),
            unproved: told({ residue: [{ ...lost, residue: 0, unproved: 1 }] }),
            many: told({ residue: [{ ...lost, residue: -2 }] }),
            check: told({ quality: [{ check_name: 'data_present', event_date: '2026-11-24', severity: 'fail', broken_rows: 1 }] }),
            blind: told({ blind: 'the warehouse is in use' }),
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
    assert!(first("behind").starts_with("critical Processing is 100,001 records behind"));
    assert!(first("retried").starts_with("warning Writing has failed 2 times within a minute"));
    assert!(first("deferred").starts_with("warning 3 events were deferred within a minute"));
    assert!(first("unproved").starts_with("warning 1 minute is unproved"));
    assert!(first("many").starts_with("critical 2 records too many at the hop log"));
    assert!(first("check").starts_with("high The check data_present did not pass for 2026-11-24"));
    assert!(first("blind").starts_with("high What alerts are told from is not to be had"));
    assert_eq!(told["quiet"], json!(["critical", "warning"]));
}
