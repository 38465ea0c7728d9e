//! The most frequent of many values, which come one after the other, each once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chain::Timestamp;
use query::Keyword;

use crate::{Counts, Stats, histogram};

pub(crate) struct Top {
    limit: usize,
    /// The least of them first.
    heap: BinaryHeap<Reverse<(u64, Reverse<String>)>>,
    others: u64,
}

impl Top {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::with_capacity(limit + 1),
            others: 0,
        }
    }

    pub(crate) fn add(&mut self, value: &str, count: u64) {
        self.heap.push(Reverse((count, Reverse(value.to_owned()))));
        if self.heap.len() > self.limit
            && let Some(Reverse((count, _))) = self.heap.pop()
        {
            self.others += count;
        }
    }

    pub(crate) fn finish(self) -> Counts {
        let ordered = self.heap.into_sorted_vec();
        let top = ordered
            .into_iter()
            .map(|Reverse((count, Reverse(value)))| (value, count));
        Counts {
            top: top.collect(),
            others: self.others,
        }
    }
}

impl Stats {
    /// Of nothing.
    pub(crate) fn none(edges: &[Timestamp]) -> Self {
        let counts = vec![0; edges.len()];
        Self {
            histogram: histogram::buckets(edges, &counts),
            ..Self::default()
        }
    }

    /// Where the counts of a counted keyword go.
    pub(crate) fn of(&mut self, keyword: Keyword) -> &mut Counts {
        match keyword {
            Keyword::Actor => &mut self.actors,
            Keyword::Severity => &mut self.severities,
            Keyword::Outcome => &mut self.outcomes,
            Keyword::TargetType => &mut self.target_types,
            _ => &mut self.actions,
        }
    }
}
