//! Many worlds side by side.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{Outcome, plant::Plant, run};

/// Every seed of a range, on every core, in their order.
///
/// # Errors
/// If a world cannot be made.
pub fn sweep(seeds: std::ops::Range<u64>, plant: Option<Plant>) -> anyhow::Result<Vec<Outcome>> {
    let next = AtomicU64::new(seeds.start);
    let bar = ProgressBar::new(seeds.end - seeds.start);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}")?);
    let work = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end {
                return Ok(found);
            }
            found.push(run(seed, plant, false)?);
            bar.inc(1);
        }
    };
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut found = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let found = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a world panicked")))
        });
        found.collect::<anyhow::Result<Vec<_>>>()
    })?
    .concat();
    bar.finish_and_clear();
    found.sort_by_key(|outcome| outcome.seed);
    Ok(found)
}
