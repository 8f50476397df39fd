//! The typed metric columns: taken in the parsing pass, so that no metric ever reads JSON.

use std::borrow::Cow;

use rust_decimal::{Decimal, RoundingStrategy};

use crate::{
    limits::{LEVEL_ID_MAX, MOVES_USED_MAX, PRICE_USD_MAX, SECONDS_MAX},
    parse::{METRIC_NAMES, Member, Texts},
};

/// Digits after the point of `price_usd`: BigQuery's NUMERIC.
pub const PRICE_SCALE: u32 = 9;

/// The metric members of one event that have a usable value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics<'a> {
    /// A level's name; an integer becomes decimal text.
    pub level_id: Option<Cow<'a, str>>,
    /// Moves, 0 to 1,000,000.
    pub moves_used: Option<i64>,
    /// Seconds, 0 to 86,400.
    pub time_seconds: Option<f64>,
    /// Names of boosters.
    pub boosters_used: Option<Texts<'a>>,
    /// Seconds, 0 to 86,400.
    pub duration_sec: Option<f64>,
    /// US dollars times 10⁹, exact.
    pub price_usd: Option<i128>,
    /// The shop's number of the purchase.
    pub transaction_id: Option<Cow<'a, str>>,
}

impl<'a> Metrics<'a> {
    /// Takes the columns; the second part counts the members whose value no column can hold.
    #[must_use]
    pub fn take(members: &[Member<'a>; METRIC_NAMES.len()]) -> (Self, u32) {
        let mut unusable = 0;
        let [level, moves, time, boosters, duration, price, transaction] = members;
        let metrics = Self {
            level_id: usable(*level, level_id, &mut unusable),
            moves_used: usable(*moves, moves_used, &mut unusable),
            time_seconds: usable(*time, seconds, &mut unusable),
            boosters_used: usable(*boosters, Member::texts, &mut unusable),
            duration_sec: usable(*duration, seconds, &mut unusable),
            price_usd: usable(*price, price_usd, &mut unusable),
            transaction_id: usable(*transaction, Member::text, &mut unusable),
        };
        (metrics, unusable)
    }
}

fn usable<'a, T>(
    member: Member<'a>,
    read: impl FnOnce(Member<'a>) -> Option<T>,
    unusable: &mut u32,
) -> Option<T> {
    if member.is_absent() {
        return None;
    }
    let value = read(member);
    *unusable += u32::from(value.is_none());
    value
}

fn level_id(member: Member<'_>) -> Option<Cow<'_, str>> {
    if let Some(text) = member.text() {
        return Some(text);
    }
    let whole = |number: &f64| number.fract() == 0.0 && number.abs() <= LEVEL_ID_MAX;
    let number = member.number().filter(whole)?;
    let as_sent = !member.0.contains(['.', 'e', 'E']) && member.0 != "-0";
    // With 0 added, -0 is 0.
    Some(if as_sent { Cow::Borrowed(member.0) } else { Cow::Owned(format!("{:.0}", number + 0.0)) })
}

fn moves_used(member: Member<'_>) -> Option<i64> {
    member.integer().filter(|moves| (0..=MOVES_USED_MAX).contains(moves))
}

fn seconds(member: Member<'_>) -> Option<f64> {
    member.number().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds))
}

fn price_usd(member: Member<'_>) -> Option<i128> {
    let number = member.number().filter(|price| (0.0..=PRICE_USD_MAX).contains(price))?;
    // From the text, not from the double: 0.1 + 0.2 is 0.3 in money.
    let exact = if member.0.contains(['e', 'E']) {
        Decimal::from_scientific(member.0)
    } else {
        member.0.parse()
    };
    // More digits than a Decimal holds: the double is right to far less than a billionth.
    let price = exact.or_else(|_| Decimal::try_from(number)).unwrap_or_default();
    let mut price =
        price.round_dp_with_strategy(PRICE_SCALE, RoundingStrategy::MidpointAwayFromZero);
    price.rescale(PRICE_SCALE);
    Some(price.mantissa())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_ids_keep_their_text() {
        for (sent, meant) in [
            ("7", "7"),
            ("\"007\"", "007"),
            ("7.0", "7"),
            ("1e3", "1000"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("-7", "-7"),
            ("123456789012345678", "123456789012345678"),
            ("9223372036854775807", "9223372036854775807"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e20", "100000000000000000000"),
        ] {
            assert_eq!(level_id(Member(sent)).as_deref(), Some(meant), "{sent}");
        }
        for bad in ["7.5", "true", "{\"n\":7}", "[7]", "1e39", "-1e39", "1e999"] {
            assert_eq!(level_id(Member(bad)), None, "{bad}");
        }
    }

    #[test]
    fn money_is_exact() {
        for (sent, nanos) in [
            ("4.99", 4_990_000_000),
            ("0.1", 100_000_000),
            ("0.0000000005", 1),
            ("1e-3", 1_000_000),
            ("10000", 10_000_000_000_000),
            ("1e-300", 0),
            ("0.00000000000000000000000000000000000000000001", 0),
        ] {
            assert_eq!(price_usd(Member(sent)), Some(nanos), "{sent}");
        }
        for bad in ["-0.01", "10000.01", "1e999", "\"4.99\"", "null"] {
            assert_eq!(price_usd(Member(bad)), None, "{bad}");
        }
    }

    #[test]
    fn unusable_members_are_counted() {
        let mut members = [Member::default(); METRIC_NAMES.len()];
        members[1] = Member("\"many\"");
        members[3] = Member("[\"hammer\",1]");
        members[6] = Member("\"\"");
        assert_eq!(Metrics::take(&members), (Metrics::default(), 2));
    }
}
