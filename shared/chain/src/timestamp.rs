//! Instants of the format. Never asks what time it is.

use std::fmt;
use std::str::FromStr;

/// An instant in UTC, in whole microseconds, of the years 0001 to 9999.
///
/// Text form: RFC 3339, always six fractional digits and `Z`. Parsing takes any RFC 3339 offset and up to nine
/// fractional digits, and drops (never rounds) what is finer than a microsecond; leap seconds are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 time of the years 0001 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time of the years 0001 to 9999")]
pub struct NotATime;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;
/// Days from 1 March of year 0 to 1 January 1970.
const EPOCH: i64 = 719_468;
const DAYS_OF_400_YEARS: i64 = 146_097;

impl Timestamp {
    /// 0001-01-01T00:00:00.000000Z
    pub const FIRST: Self = Self(-62_135_596_800 * SECOND);
    /// 9999-12-31T23:59:59.999999Z
    pub const LAST: Self = Self(253_402_300_800 * SECOND - 1);

    /// Microseconds since the Unix epoch; `None` outside the years 0001 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::FIRST.0..=Self::LAST.0)
            .contains(&micros)
            .then_some(Self(micros))
    }

    /// Microseconds since the Unix epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// The text form, always 27 bytes.
    fn text(self) -> [u8; 27] {
        let seconds = self.0.div_euclid(SECOND);
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (place, value) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, second / 3600),
            (14..16, second / 60 % 60),
            (17..19, second % 60),
            (20..26, self.0.rem_euclid(SECOND)),
        ] {
            let mut rest = value.unsigned_abs();
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).expect("one digit");
                rest /= 10;
            }
        }
        text
    }

    /// The instant with exactly this text form; other texts of the same instant give `None`.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        // What has the length and these four characters has all the others where the text form has them: the fraction
        // begins at 20, so its digits go up to the `Z`.
        match text.as_bytes() {
            bytes @ [.., b'Z'] if bytes.len() == 27 && bytes[10] == b'T' && bytes[19] == b'.' => {
                parse(bytes)
            }
            _ => None,
        }
    }

    /// Appends the text form as a JSON string.
    pub(crate) fn push_text(self, out: &mut String) {
        out.push('"');
        out.push_str(std::str::from_utf8(&self.text()).expect("digits are ASCII"));
        out.push('"');
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).expect("digits are ASCII"))
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        parse(text.as_bytes()).ok_or(NotATime)
    }
}

/// RFC 3339 §5.6, `T` and `Z` in either case.
fn parse(text: &[u8]) -> Option<Timestamp> {
    let (time, rest) = text.split_at_checked(19)?;
    let separators = [
        time[4],
        time[7],
        time[10].to_ascii_uppercase(),
        time[13],
        time[16],
    ];
    if separators != *b"--T::" {
        return None;
    }
    let (year, month, day) = (
        number(&time[..4])?,
        number(&time[5..7])?,
        number(&time[8..10])?,
    );
    let hour = number(&time[11..13])?;
    let minute = number(&time[14..16])?;
    let second = number(&time[17..19])?;
    if year == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = match rest {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            rest.split_at(digits)
        }
        _ => (&[][..], rest),
    };
    let offset = match *zone {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let (hours, minutes) = (number(&[a, b])?, number(&[c, d])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3600 + minutes * 60;
            if sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + i64::from(fraction.get(place).map_or(0, |digit| digit - b'0'));
    }
    let seconds = days(year, month, day)? * DAY + hour * 3600 + minute * 60 + second - offset;
    Timestamp::from_micros(seconds * SECOND + micros)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + i64::from(digit - b'0'))
    })
}

/// Days since the Unix epoch; `None` for a date that the calendar does not have.
///
/// Years are counted from March, so that the leap day is the last of its year, and in cycles of 400 years.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let march_year = if month < 3 { year - 1 } else { year };
    let cycle = march_year.div_euclid(400);
    let year_of_cycle = march_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    let days = cycle * DAYS_OF_400_YEARS + day_of_cycle - EPOCH;
    (date(days) == (year, month, day)).then_some(days)
}

/// Year, month and day of a number of days since the Unix epoch.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let cycle = days.div_euclid(DAYS_OF_400_YEARS);
    let day_of_cycle = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_cycle + cycle * 400 + i64::from(month < 3);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_calendar_there_and_back() {
        let mut expected = (1, 1, 1);
        let first = Timestamp::FIRST.0 / SECOND / DAY;
        let last = Timestamp::LAST.0 / SECOND / DAY;
        for day in first..=last {
            assert_eq!(date(day), expected);
            let (year, month, day_of_month) = expected;
            assert_eq!(days(year, month, day_of_month), Some(day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            assert_eq!(days(year, month, length + 1), None);
            expected = if day_of_month < length {
                (year, month, day_of_month + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
        }
        assert_eq!(expected, (10_000, 1, 1));
    }

    #[test]
    fn only_the_text_form_is_one() {
        let form = "2026-01-15T10:30:01.000250Z";
        let time: Timestamp = form.parse().unwrap();
        assert_eq!(Timestamp::from_text(form), Some(time));
        let same = [
            "2026-01-15t10:30:01.000250Z",
            "2026-01-15T10:30:01.000250z",
            "2026-01-15T10:30:01.00025Z",
            "2026-01-15T10:30:01.0002500Z",
            "2026-01-15T10:30:01.00025+00:00",
            "2026-01-15T10:30:01.000250+00:00",
            "2026-01-15T11:30:01.00025+01:00",
        ];
        for text in same {
            assert_eq!(text.parse(), Ok(time), "{text}");
            assert_eq!(Timestamp::from_text(text), None, "{text}");
        }
        // A byte changed: either another instant, or none at all.
        for at in 0..form.len() {
            for byte in 0x20..0x7f {
                let mut text = form.as_bytes().to_vec();
                text[at] = byte;
                let text = String::from_utf8(text).unwrap();
                let parsed: Result<Timestamp, _> = text.parse();
                let expected = parsed.ok().filter(|time| time.to_string() == text);
                assert_eq!(Timestamp::from_text(&text), expected, "{text}");
            }
        }
    }

    #[test]
    fn bounds_in_text() {
        assert_eq!(Timestamp::FIRST.to_string(), "0001-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::LAST.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(
            "9999-12-31T23:59:59.999999999Z".parse(),
            Ok(Timestamp::LAST)
        );
        assert_eq!(
            Timestamp::from_micros(0).unwrap().to_string(),
            "1970-01-01T00:00:00.000000Z"
        );
        assert_eq!(Timestamp::from_micros(Timestamp::LAST.0 + 1), None);
        assert_eq!(Timestamp::from_micros(Timestamp::FIRST.0 - 1), None);
    }
}
