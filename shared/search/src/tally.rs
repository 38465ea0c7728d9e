//! Counts without an index: one document after the other, for whoever reads the ledger itself. Memory
//! grows with what is counted; its caller bounds that.

use std::collections::BTreeMap;

use chain::Timestamp;
use query::Document;

use crate::histogram::{self, Histogram};
use crate::top::Top;
use crate::{COUNTED, Error, MAX_TOP, Stats};

#[derive(Debug, Default)]
pub struct Tally {
    total: u64,
    values: [BTreeMap<String, u64>; COUNTED.len()],
    /// Times of receipt, in microseconds.
    times: Vec<i64>,
}

impl Tally {
    pub fn add(&mut self, document: &Document) {
        self.total += 1;
        self.times.push(document.received_at.as_micros());
        for (keyword, value) in &document.keywords {
            if let Some(place) = COUNTED.iter().position(|counted| counted == keyword) {
                *self.values[place].entry(value.clone()).or_default() += 1;
            }
        }
    }

    /// What [`Search::stats`](crate::Search::stats) answers of the same documents; `bounds` are the
    /// filter's `from` and `to`.
    pub fn finish(
        mut self,
        top: usize,
        histogram: Option<&Histogram>,
        bounds: (Option<Timestamp>, Option<Timestamp>),
    ) -> Result<Stats, Error> {
        self.times.sort_unstable();
        let found = self.times.first().copied().zip(self.times.last().copied());
        let edges = histogram.map(|histogram| histogram.between(bounds, found));
        let edges = edges.transpose()?.unwrap_or_default();
        let before = |edge: &Timestamp| self.times.partition_point(|t| *t < edge.as_micros());
        let counts: Vec<u64> = edges
            .windows(2)
            .map(|edge| (before(&edge[1]) - before(&edge[0])) as u64)
            .collect();
        let mut stats = Stats {
            total: self.total,
            histogram: histogram::buckets(&edges, &counts),
            ..Stats::default()
        };
        for (keyword, values) in COUNTED.into_iter().zip(&self.values) {
            let mut most = Top::new(top.clamp(1, MAX_TOP));
            for (value, count) in values {
                most.add(value, *count);
            }
            *stats.of(keyword) = most.finish();
        }
        Ok(stats)
    }
}
