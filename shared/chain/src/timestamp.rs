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

impl Timestamp {
    /// Microseconds since the Unix epoch; `None` outside the years 0001 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::FIRST..=Self::LAST)
            .contains(&micros)
            .then_some(Self(micros))
    }

    pub fn as_micros(self) -> i64 {
        self.0
    }

    const FIRST: i64 = -62_135_596_800_000_000;
    const LAST: i64 = 253_402_300_799_999_999;
}

impl fmt::Display for Timestamp {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(_text: &str) -> Result<Self, NotATime> {
        todo!()
    }
}
