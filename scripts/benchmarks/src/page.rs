//! What people who look cost the stack: with nobody, one and eight at the page, in turns.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use questline_runtime::clock::now_micros;
use tokio::task::JoinSet;

use crate::{
    looks::OPEN,
    report::{Series, line, promise},
    stack::{Stack, load},
};

/// How many look.
const VIEWERS: [usize; 3] = [0, 1, 8];

/// What is promised: they cost this many percent of the events a second at most.
const PERCENT: f64 = 5.0;

pub(crate) fn run(rounds: usize, events: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (stack, _) = Stack::start(&folder.path().join("data"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    line(&format!("page: {rounds} rounds of {events} events with nobody, one and eight who look"));
    let mut rates = VIEWERS.map(|_| Series::default());
    // What starts cold is not counted.
    runtime.block_on(load(&stack, events / 4, 0))?;
    for round in 0..rounds {
        // Whoever comes first has the smaller tables: they take turns at that too.
        for turn in 0..VIEWERS.len() {
            let at = (round + turn) % VIEWERS.len();
            let rate = runtime.block_on(watched(&stack, VIEWERS[at], events, 1 + round * 3 + turn));
            rates[at].0.push(rate?);
        }
    }
    for (at, viewers) in VIEWERS.into_iter().enumerate() {
        let share = rates[at].over(&rates[0]);
        let rate = rates[at].median();
        line(&format!(
            "  {viewers} look: {rate:8.0} events a second, {} of nobody's",
            share.show()
        ));
        if viewers > 0 {
            let cost = 100.0 * (1.0 - share.median());
            let told = format!("{viewers} who look cost {PERCENT} % at most: {cost:.1} %");
            promise(&told, cost <= PERCENT);
        }
    }
    Ok(())
}

/// Events a second, until they are rows, while some look.
async fn watched(stack: &Stack, viewers: usize, events: usize, seed: usize) -> anyhow::Result<f64> {
    let mut looking = JoinSet::new();
    for _ in 0..viewers {
        look(&mut looking, &stack.url);
    }
    let taken = load(stack, events, seed).await?;
    // Whoever got nothing did not cost anything either.
    match looking.try_join_next() {
        None => Ok(taken),
        Some(ended) => ended?.and_then(|()| anyhow::bail!("a viewer has ended")),
    }
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
                let asked =
                    client.get(format!("{url}/api/ask/{}", look.name)).query(&look.given(to));
                asked.send().await?.error_for_status()?.bytes().await?;
                let every = Duration::from_secs(look.every.unwrap_or(u64::MAX));
                tokio::time::sleep(every.saturating_sub(began.elapsed())).await;
            }
        });
    }
}
