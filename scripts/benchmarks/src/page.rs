//! What people who look cost the stack: with one and eight at the page, each beside nobody before it and
//! after it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use questline_events::limits::DASHBOARD_PUT_BY;
use questline_runtime::clock::now_micros;
use tokio::task::JoinSet;

use crate::{
    looks::{Look, OPEN},
    report::{Series, cpu, line, promise},
    stack::{Stack, load},
};

/// How many look.
const VIEWERS: [usize; 2] = [1, 8];

/// What is promised: they cost this many percent of the events a second at most.
const PERCENT: f64 = 5.0;

/// What one turn came to: events a second, and microseconds of the stack's CPU for each.
#[derive(Clone, Copy)]
struct Turn {
    rate: f64,
    cpu: f64,
}

pub(crate) fn run(rounds: usize, events: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (stack, _) = Stack::start(&folder.path().join("data"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    line(&format!("page: {rounds} rounds of {events} events with one and eight who look"));
    // What starts cold is not counted, nor what is put by for whoever has just opened the page.
    runtime.block_on(async {
        load(&stack, events, 0).await?;
        around(&stack.url).await
    })?;
    let mut turns = 0;
    let mut turn = |viewers| {
        turns += 1;
        runtime.block_on(watched(&stack, viewers, events, turns))
    };
    let mut shares = VIEWERS.map(|_| (Series::default(), Series::default()));
    let mut before = turn(0)?;
    for _ in 0..rounds {
        for (viewers, (rates, costs)) in VIEWERS.into_iter().zip(&mut shares) {
            let (looked, after) = (turn(viewers)?, turn(0)?);
            let beside = |of: fn(&Turn) -> f64| 2.0 * of(&looked) / (of(&before) + of(&after));
            rates.0.push(beside(|turn| turn.rate));
            costs.0.push(beside(|turn| turn.cpu));
            line(&format!(
                "  {viewers} look: {:7.0} events a second, {:.3} of nobody's; {:4.1} µs of CPU an event, {:.3}",
                looked.rate,
                beside(|turn| turn.rate),
                looked.cpu,
                beside(|turn| turn.cpu),
            ));
            before = after;
        }
    }
    for (viewers, (rates, costs)) in VIEWERS.into_iter().zip(&shares) {
        let (rate, cpu) = (rates.mean(), costs.mean());
        line(&format!(
            "  {viewers} look: {rate:.3} of nobody's events, {cpu:.3} of the CPU for each"
        ));
        let cost = 100.0 * (1.0 - rate);
        let told = format!("{viewers} who look cost {PERCENT} % at most: {cost:.1} %");
        promise(&told, cost <= PERCENT);
    }
    Ok(())
}

/// Some look while events come, until these are rows.
async fn watched(
    stack: &Stack,
    viewers: usize,
    events: usize,
    seed: usize,
) -> anyhow::Result<Turn> {
    let mut looking = JoinSet::new();
    for _ in 0..viewers {
        look(&mut looking, &stack.url);
    }
    let before = cpu(stack.process())?;
    let rate = load(stack, events, seed).await?;
    let turn = Turn { rate, cpu: (cpu(stack.process())? - before) * 1e6 / events as f64 };
    // Whoever got nothing did not cost anything either.
    match looking.try_join_next() {
        None => Ok(turn),
        Some(ended) => ended?.and_then(|()| anyhow::bail!("a viewer has ended")),
    }
}

/// Looks at one range after the other, until all that is put by is spent.
async fn around(url: &str) -> anyhow::Result<()> {
    let (client, began) = (reqwest::Client::new(), Instant::now());
    for back in 1.. {
        for look in OPEN {
            if began.elapsed() > DASHBOARD_PUT_BY {
                return Ok(());
            }
            ask(&client, url, look, now_micros() - back * 120_000_000).await?;
        }
    }
    Ok(())
}

/// Opens a page: its two streams, and every question again and again.
fn look(looking: &mut JoinSet<anyhow::Result<()>>, url: &str) {
    let (client, url) = (reqwest::Client::new(), Arc::<str>::from(url));
    for stream in ["/api/pulse", "/api/events?most=200"] {
        let request = client.get(format!("{url}{stream}"));
        looking.spawn(async move {
            let mut answer = request.send().await?.error_for_status()?;
            while answer.chunk().await?.is_some() {}
            Ok(())
        });
    }
    for look in OPEN {
        let (client, url) = (client.clone(), url.clone());
        looking.spawn(async move {
            loop {
                let began = Instant::now();
                let whole = look.round() * 1_000_000;
                let to = (now_micros() / whole + 1) * whole;
                ask(&client, &url, look, to).await?;
                let every = Duration::from_secs(look.every.unwrap_or(u64::MAX));
                tokio::time::sleep(every.saturating_sub(began.elapsed())).await;
            }
        });
    }
}

async fn ask(client: &reqwest::Client, url: &str, look: &Look, to: i64) -> anyhow::Result<()> {
    let asked = client.get(format!("{url}/api/ask/{}", look.name)).query(&look.given(to));
    asked.send().await?.error_for_status()?.bytes().await?;
    Ok(())
}
