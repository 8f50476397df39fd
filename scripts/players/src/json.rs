//! JSON written straight into bytes: what events are made of, and nothing else.

use crate::calendar::{DAY, HOUR, MINUTE, SECOND, date, day};

/// Appends text as it is: names and punctuation that need no escape.
pub(crate) fn raw(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends `"text"`. The text must need no escape.
pub(crate) fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    raw(text, out);
    out.push(b'"');
}

/// Appends an integer.
pub(crate) fn integer(number: u32, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let mut first = digits.len();
    let mut left = number;
    loop {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Appends a number given in tenths: 473 is `47.3`.
pub(crate) fn tenths(number: u32, out: &mut Vec<u8>) {
    integer(number / 10, out);
    out.extend_from_slice(&[b'.', b'0' + (number % 10) as u8]);
}

/// Appends `"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"`.
pub(crate) fn uuid(bits: u128, out: &mut Vec<u8>) {
    let mut written = [b'-'; 38];
    written[0] = b'"';
    written[37] = b'"';
    let mut place = 1;
    for (index, byte) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            place += 1;
        }
        written[place] = HEX[usize::from(byte >> 4)];
        written[place + 1] = HEX[usize::from(byte & 15)];
        place += 2;
    }
    out.extend_from_slice(&written);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `"2026-11-23T11:59:00.123Z"`: RFC 3339, cut to milliseconds.
pub(crate) fn moment(moment: i64, out: &mut Vec<u8>) {
    let (year, month, of_month) = date(day(moment));
    let of_day = moment.rem_euclid(DAY);
    let mut written = *b"\"0000-00-00T00:00:00.000Z\"";
    for (place, digits, number) in [
        (1, 4, year),
        (6, 2, month),
        (9, 2, of_month),
        (12, 2, of_day / HOUR),
        (15, 2, of_day / MINUTE % 60),
        (18, 2, of_day / SECOND % 60),
        (21, 3, of_day / 1_000 % 1_000),
    ] {
        let mut left = number;
        for digit in written[place..place + digits].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }
    out.extend_from_slice(&written);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn numbers_names_and_moments() {
        assert_eq!(written(|out| integer(0, out)), "0");
        assert_eq!(written(|out| integer(u32::MAX, out)), "4294967295");
        assert_eq!(written(|out| tenths(473, out)), "47.3");
        assert_eq!(written(|out| tenths(5, out)), "0.5");
        assert_eq!(
            written(|out| uuid(0x0123_4567_89ab_4cde_8f01_2345_6789_abcd, out)),
            "\"01234567-89ab-4cde-8f01-23456789abcd\""
        );
        assert_eq!(
            written(|out| moment(1_795_435_140_123_999, out)),
            "\"2026-11-23T11:59:00.123Z\""
        );
        assert_eq!(written(|out| moment(-1, out)), "\"1969-12-31T23:59:59.999Z\"");
    }
}
