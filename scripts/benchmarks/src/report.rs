//! Figures for people: medians of interleaved rounds, and their spread.

use std::{
    io::Write as _,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;

/// A promise was broken. Kept here, so that the parts that follow are measured all the same.
static BROKEN: AtomicBool = AtomicBool::new(false);

/// Measurements of one thing, a number a round.
#[derive(Debug, Default, Clone)]
pub(crate) struct Series(pub(crate) Vec<f64>);

impl Series {
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// For what comes in bursts, which one round has and another has not.
    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// This over another, round by round.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours / theirs).collect())
    }

    pub(crate) fn show(&self) -> String {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{:.3} (from {least:.3} to {most:.3})", self.median())
    }
}

/// A line of the report.
pub(crate) fn line(text: &str) {
    // Nobody may read it.
    _ = writeln!(std::io::stdout(), "{text}");
}

/// What was promised, and whether what was measured keeps it.
pub(crate) fn promise(what: &str, kept: bool) {
    line(&format!("  {}: {what}", if kept { "kept" } else { "BROKEN" }));
    if !kept {
        BROKEN.store(true, Ordering::Relaxed);
    }
}

/// How the process ends: with 1 where a promise was broken.
pub(crate) fn verdict() -> ExitCode {
    ExitCode::from(u8::from(BROKEN.load(Ordering::Relaxed)))
}

/// A size that the kernel keeps of a process, in MB: `VmRSS` is resident now, `VmHWM` was at most.
pub(crate) fn memory(process: u32, size: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let found = status.lines().find_map(|line| line.strip_prefix(size)?.strip_prefix(':'));
    let kilobytes = found.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kilobytes.with_context(|| format!("{size} of a process"))? / 1_024.0)
}

/// CPU seconds that a process has used: all its threads, the kernel's work included.
pub(crate) fn cpu(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| -> anyhow::Result<f64> {
        Ok(fields.get(at).context("a field of stat")?.parse()?)
    };
    // Clock ticks are 10 ms on every Linux of today.
    Ok((ticks(12)? + ticks(13)?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_promise_is_how_the_process_ends() {
        let ends_like = |code: ExitCode| format!("{:?}", verdict()) == format!("{code:?}");
        promise("one", true);
        assert!(ends_like(ExitCode::SUCCESS));
        promise("two", false);
        promise("three", true);
        assert!(ends_like(ExitCode::FAILURE));
    }
}
