//! Where the buckets of a histogram begin, by the calendar of a time zone. Both implementations count
//! between the same edges; none of them knows a calendar.

use std::str::FromStr;

use chain::Timestamp;
use jiff::tz::TimeZone;
use jiff::{RoundMode, ToSpan as _, Unit, Zoned, ZonedRound};

use crate::{Bucket, Error};

/// Most buckets of one histogram.
pub const MAX_BUCKETS: usize = 1_000;

/// Counts by time of receipt. It reaches from the filter's `from`, or the first entry found, to the
/// filter's `to`, or the last entry found.
#[derive(Clone, Debug)]
pub struct Histogram {
    pub interval: Interval,
    pub zone: Zone,
}

/// Length of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    Minute,
    Hour,
    /// From midnight to midnight: 23 or 25 hours where the clock changes.
    Day,
    /// From Monday.
    Week,
    Month,
}

/// A name that is no interval.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not an interval")]
pub struct NotAnInterval;

impl FromStr for Interval {
    type Err = NotAnInterval;

    fn from_str(name: &str) -> Result<Self, NotAnInterval> {
        match name {
            "minute" => Ok(Self::Minute),
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(NotAnInterval),
        }
    }
}

/// A time zone of the IANA database, which is built in.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    pub const UTC: Self = Self(TimeZone::UTC);
}

/// A name that the database does not have.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a time zone of the IANA database")]
pub struct NotAZone;

impl FromStr for Zone {
    type Err = NotAZone;

    fn from_str(name: &str) -> Result<Self, NotAZone> {
        TimeZone::get(name).map(Self).map_err(|_| NotAZone)
    }
}

impl Histogram {
    /// The edges for a filter's `from` and `to`, and the first and last time that were found, in
    /// microseconds. None where there is nothing to show.
    pub(crate) fn between(
        &self,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        found: Option<(i64, i64)>,
    ) -> Result<Vec<Timestamp>, Error> {
        let found = found.and_then(|(first, last)| {
            Some((
                Timestamp::from_micros(first)?,
                Timestamp::from_micros(last)?,
            ))
        });
        let before = to.map(|to| Timestamp::from_micros(to.as_micros() - 1).unwrap_or(to));
        let first = from.or(found.map(|(first, _)| first)).or(before);
        let last = before.or(found.map(|(_, last)| last)).or(from);
        match (first, last) {
            (Some(first), Some(last)) => self.edges(first, last.max(first)),
            _ => Ok(Vec::new()),
        }
    }

    /// Where buckets begin, from the one that holds `first` to the one that holds `last`, and where
    /// the last one ends.
    fn edges(&self, first: Timestamp, last: Timestamp) -> Result<Vec<Timestamp>, Error> {
        let mut edges = vec![self.start(first)?];
        while edges[edges.len() - 1] <= last {
            if edges.len() > MAX_BUCKETS {
                return Err(Error::TooManyBuckets);
            }
            edges.push(self.after(edges[edges.len() - 1])?);
        }
        Ok(edges)
    }

    fn zoned(&self, moment: Timestamp) -> Result<Zoned, Error> {
        let moment = jiff::Timestamp::from_microsecond(moment.as_micros());
        // Only the last hours of the year 9999 are none; nothing was received then.
        let moment = moment.map_err(|_| Error::TooManyBuckets)?;
        Ok(moment.to_zoned(self.zone.0.clone()))
    }

    /// Begin of the bucket that holds the moment.
    fn start(&self, moment: Timestamp) -> Result<Timestamp, Error> {
        let zoned = self.zoned(moment)?;
        let down = |unit| zoned.round(ZonedRound::new().smallest(unit).mode(RoundMode::Trunc));
        let start = match self.interval {
            Interval::Minute => down(Unit::Minute),
            Interval::Hour => down(Unit::Hour),
            Interval::Day => zoned.start_of_day(),
            Interval::Week => {
                let days = zoned.weekday().to_monday_zero_offset();
                let monday = zoned.date().checked_sub(i64::from(days).days());
                monday.and_then(|day| day.to_zoned(self.zone.0.clone()))
            }
            Interval::Month => zoned.date().first_of_month().to_zoned(self.zone.0.clone()),
        };
        let start = start.map_or(Timestamp::FIRST, |start| of(&start));
        // A clock that goes back makes a local hour twice as long; it never makes a bucket begin
        // after what it holds.
        Ok(start.min(moment))
    }

    /// Begin of the bucket after the one that begins here; always later.
    fn after(&self, start: Timestamp) -> Result<Timestamp, Error> {
        let zoned = self.zoned(start)?;
        let zone = || self.zone.0.clone();
        let next = match self.interval {
            Interval::Minute => zoned.checked_add(1.minute()),
            Interval::Hour => zoned.checked_add(1.hour()),
            Interval::Day => zoned.date().tomorrow().and_then(|day| day.to_zoned(zone())),
            Interval::Week => {
                let day = zoned.date().checked_add(1.week());
                day.and_then(|day| day.to_zoned(zone()))
            }
            Interval::Month => {
                let day = zoned.date().first_of_month().checked_add(1.month());
                day.and_then(|day| day.to_zoned(zone()))
            }
        };
        let Ok(next) = next else {
            return Ok(Timestamp::LAST);
        };
        let next = of(&next);
        // Where the clock moves by half an hour, the hour after it is a short one.
        let aligned = self.start(next)?;
        Ok(if aligned > start { aligned } else { next })
    }
}

fn of(zoned: &Zoned) -> Timestamp {
    let micros = zoned.timestamp().as_microsecond();
    Timestamp::from_micros(micros).unwrap_or(Timestamp::FIRST)
}

/// The buckets between the edges, with their counts.
pub(crate) fn buckets(edges: &[Timestamp], counts: &[u64]) -> Vec<Bucket> {
    let pairs = edges.windows(2).zip(counts);
    pairs
        .map(|(edge, &count)| Bucket {
            from: edge[0],
            to: edge[1],
            count,
        })
        .collect()
}
