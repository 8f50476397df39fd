//! What chance decides.

use fastrand::Rng;

/// One seed of two numbers. Neighbouring numbers give seeds far apart (SplitMix64's finish).
pub(crate) fn mix(seed: u64, start: i64) -> u64 {
    let mut mixed = finish(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    mixed ^= start as u64;
    finish(mixed)
}

const fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `true` with this probability.
pub(crate) fn happens(probability: f64, rng: &mut Rng) -> bool {
    rng.f64() < probability
}

/// Uniform between two numbers.
pub(crate) fn between(low: f64, high: f64, rng: &mut Rng) -> f64 {
    low + (high - low) * rng.f64()
}

/// Between two spans of time, short ones as likely as long ones by order of magnitude.
pub(crate) fn log_uniform((shortest, longest): (i64, i64), rng: &mut Rng) -> i64 {
    let (low, high) = (shortest as f64, longest as f64);
    (low * (high / low).powf(rng.f64())) as i64
}

/// One of a list, each as likely as its weight. The list must not be empty.
pub(crate) fn weighted<T>(list: &'static [T], weight: fn(&T) -> u32, rng: &mut Rng) -> &'static T {
    let total = list.iter().map(weight).sum::<u32>();
    let mut left = rng.u32(..total);
    for item in list {
        match left.checked_sub(weight(item)) {
            Some(rest) => left = rest,
            None => return item,
        }
    }
    &list[list.len() - 1]
}

/// One of a list. The list must not be empty.
pub(crate) fn one<T: Copy>(list: &[T], rng: &mut Rng) -> T {
    list[rng.usize(..list.len())]
}

/// 122 random bits in the form of a version 4 UUID.
pub(crate) fn uuid(rng: &mut Rng) -> u128 {
    let bits = rng.u128(..);
    bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
}
