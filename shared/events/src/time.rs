//! Moments: microseconds since 1970-01-01T00:00:00Z, and the calendar of UTC.

use std::{ops::Range, time::Duration};

use chrono::{DateTime, Datelike, NaiveDate};

/// Microseconds of a day.
pub const DAY: i64 = 86_400 * 1_000_000;
/// Microseconds of a minute.
pub const MINUTE: i64 = 60 * 1_000_000;

/// The moments that a record may have been received at, from 1970 to before the year 9999: every
/// warehouse keeps them, and what an hour's tolerance adds.
pub const MOMENTS: Range<i64> = 0..253_370_764_800_000_000;

/// Longest text that can be a moment: date, time, fraction and offset.
const LONGEST: usize = 64;

/// Reads RFC 3339; without an offset it is UTC. Fractions are cut to microseconds.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    usual(text.as_bytes()).or_else(|| any(text))
}

/// The form that nearly every client sends, `2026-11-23T11:59:00.123Z`, without the generality of
/// the others. A property test holds it to [`any`].
fn usual(bytes: &[u8]) -> Option<i64> {
    let (head, tail) = bytes.split_first_chunk::<19>()?;
    let [.., b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', _, _] = head else {
        return None;
    };
    let fraction = match tail {
        b"Z" => &[],
        [b'.', digits @ .., b'Z'] if (1..=6).contains(&digits.len()) => digits,
        _ => return None,
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let missing = 6_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let micros = number(fraction)? * 10_u32.pow(missing);
    let year = i32::try_from(number(&head[..4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&head[5..7])?, number(&head[8..10])?)?;
    let (hour, minute) = (number(&head[11..13])?, number(&head[14..16])?);
    let moment = date.and_hms_micro_opt(hour, minute, number(&head[17..])?, micros)?;
    Some(moment.and_utc().timestamp_micros())
}

/// Every form of RFC 3339.
fn any(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    // `chrono` also takes a blank or an underscore for the `T`.
    if bytes.len() > LONGEST || !matches!(bytes.get(10), Some(b'T' | b't')) {
        return None;
    }
    let moment = if has_offset(bytes) {
        DateTime::parse_from_rfc3339(text).ok()?
    } else {
        let mut padded = [0_u8; LONGEST + 1];
        padded[..bytes.len()].copy_from_slice(bytes);
        padded[bytes.len()] = b'Z';
        let utc = std::str::from_utf8(&padded[..=bytes.len()]).ok()?;
        DateTime::parse_from_rfc3339(utc).ok()?
    };
    Some(moment.timestamp_micros())
}

fn has_offset(bytes: &[u8]) -> bool {
    let clock = bytes.get(11..).unwrap_or_default();
    clock.iter().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'))
}

/// A duration as moments are counted: in microseconds.
#[must_use]
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Days since 1970-01-01, UTC.
#[must_use]
pub fn day(micros: i64) -> i32 {
    i32::try_from(micros.div_euclid(DAY)).unwrap_or(i32::MAX)
}

/// Hour of the day, 0 to 23, UTC.
#[must_use]
pub const fn hour(micros: i64) -> i64 {
    micros.rem_euclid(DAY) / (3_600 * 1_000_000)
}

/// Day of the week, Monday 0, UTC.
#[must_use]
pub const fn weekday(micros: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (micros.div_euclid(DAY) + 3).rem_euclid(7)
}

/// The start of the minute.
#[must_use]
pub const fn minute(micros: i64) -> i64 {
    micros - micros.rem_euclid(MINUTE)
}

/// RFC 3339 in UTC, with as many digits of the second's fraction as needed.
#[must_use]
pub fn text(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || micros.to_string(),
        |moment| moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
    )
}

/// Bytes of the date at the beginning of what [`written`] gives.
pub const DATE: usize = 10;

/// RFC 3339 in UTC with six digits of the second's fraction.
#[must_use]
pub fn written(micros: i64) -> [u8; 27] {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let date = NaiveDate::from_num_days_from_ce_opt(DAYS_TO_1970 + day(micros)).unwrap_or_default();
    digits(&mut text[..4], date.year().unsigned_abs());
    digits(&mut text[5..7], date.month());
    digits(&mut text[8..10], date.day());
    let of_day = micros.rem_euclid(DAY);
    let part = |number: i64| u32::try_from(number).unwrap_or(0);
    let seconds = part(of_day / 1_000_000);
    digits(&mut text[11..13], seconds / 3_600);
    digits(&mut text[14..16], seconds / 60 % 60);
    digits(&mut text[17..19], seconds % 60);
    digits(&mut text[20..26], part(of_day % 1_000_000));
    text
}

/// Days from 0001-01-01, which is day 1, to 1970-01-01.
const DAYS_TO_1970: i32 = 719_163;

fn digits(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_and_nothing_else() {
        for good in [
            "2026-11-23T11:59:00Z",
            "2026-11-23t11:59:00z",
            "2026-11-23T11:59:00",
            "2026-11-23T13:59:00+02:00",
            "2026-11-23T11:59:00.000Z",
            "2026-11-23T11:59:00.0000000004",
            "2026-11-23T11:59:00-00:00",
        ] {
            assert_eq!(parse(good), Some(1_795_435_140_000_000), "{good}");
        }
        for bad in [
            "",
            "yesterday",
            "2026-11-23",
            "2026-11-23 11:59:00Z",
            "2026-11-23T11:59Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T11:60:00Z",
            "2026-02-30T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-11-23T11:59:00+0200",
            "2026-11-23T11:59:00+02",
            "2026-11-23T11:59:00+25:00",
            "2026-11-23T11:59:00,5Z",
            "2026-11-23T11:59:00.Z",
            "2026-11-23T11:59:00Z ",
            " 2026-11-23T11:59:00Z",
            "+2026-11-23T11:59:00Z",
            "12026-11-23T11:59:00Z",
            "20261123T115900Z",
            "2026-W48-1T11:59:00Z",
            "２０２６-11-23T11:59:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_usual_form_is_read_as_any_other(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?Z?",
        ) {
            if let Some(micros) = usual(text.as_bytes()) {
                assert_eq!(any(&text), Some(micros), "{text}");
            }
        }
    }

    #[test]
    fn fractions_are_cut_not_rounded() {
        let base = parse("2026-11-23T11:59:00Z").unwrap();
        assert_eq!(parse("2026-11-23T11:59:00.1234567Z"), Some(base + 123_456));
        assert_eq!(parse("2026-11-23T11:59:00.999999999Z"), Some(base + 999_999));
        assert_eq!(parse("1969-12-31T23:59:59.9999999Z"), Some(-1));
    }

    #[test]
    fn the_calendar_of_utc() {
        let monday = parse("2026-11-23T11:59:00Z").unwrap();
        assert_eq!((hour(monday), weekday(monday)), (11, 0));
        assert_eq!(text(minute(monday + 59)), "2026-11-23T11:59:00Z");
        assert_eq!(&written(monday + 59), b"2026-11-23T11:59:00.000059Z");
        assert_eq!(&written(-1), b"1969-12-31T23:59:59.999999Z");
        assert_eq!((day(-1), hour(-1), weekday(-1)), (-1, 23, 2));
        assert_eq!(text(MOMENTS.end), "9999-01-01T00:00:00Z");
    }
}
