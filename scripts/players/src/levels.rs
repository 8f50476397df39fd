//! The levels: how hard they are, and how many moves they allow.

use fastrand::Rng;

/// How many levels there are, named "1" to "80".
pub(crate) const LEVELS: u8 = 80;

/// The notorious levels, with the chance of passing an attempt.
const NOTORIOUS: &[(u8, f64)] =
    &[(15, 0.42), (24, 0.28), (33, 0.20), (45, 0.15), (57, 0.11), (65, 0.22), (76, 0.08)];

/// The chance that an attempt of an average player without boosters passes. It falls within each
/// block of ten levels, recovers at the next, and falls all along.
pub(crate) fn pass_chance(level: u8) -> f64 {
    if let Some((_, chance)) = NOTORIOUS.iter().find(|(notorious, _)| *notorious == level) {
        return *chance;
    }
    let along = f64::from(level - 1) / f64::from(LEVELS - 1);
    let of_block = f64::from((level - 1) % 10) / 9.0;
    0.95 - 0.25 * along - 0.25 * of_block
}

/// The moves that a level allows.
pub(crate) const fn moves(level: u8) -> u32 {
    // Neighbours differ; seven shares no factor with the range.
    16 + (level as u32 * 7) % 17
}

/// A level for those who have passed them all.
pub(crate) fn replayed(rng: &mut Rng) -> u8 {
    rng.u8(LEVELS / 2..=LEVELS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saw_tooth_with_notorious_levels() {
        assert!((pass_chance(1) - 0.95).abs() < 1e-9);
        assert!(pass_chance(10) < pass_chance(1) && pass_chance(10) < pass_chance(11));
        assert!((pass_chance(76) - 0.08).abs() < 1e-9);
        for level in 1..=LEVELS {
            assert!((0.05..=0.95).contains(&pass_chance(level)), "{level}");
            assert!((16..=32).contains(&moves(level)), "{level}");
        }
    }
}
