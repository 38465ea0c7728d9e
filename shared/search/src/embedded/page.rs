//! One page in order: the first hits by (time of receipt, chain, seq) without keeping more than two
//! pages of them, and without looking into segments that cannot have any.

use query::Order;

use super::segments::{Found, Segments, Wanted};
use crate::{Error, Hit};

/// Smaller comes first, in either direction.
type Key = (i64, u32, u64);

pub(super) fn page(
    segments: &Segments<'_>,
    order: Order,
    limit: usize,
    after: Option<&Hit>,
) -> Result<Vec<Hit>, Error> {
    let windows = segments.windows();
    let after = after.map(|hit| {
        let place = windows.binary_search_by(|window| {
            (window.partition.as_str(), window.generation)
                .cmp(&(hit.partition.as_str(), hit.generation))
        });
        // Chains have odd places, so that one that is not asked for has its own between two.
        let place = place.map_or_else(|next| 2 * next, |there| 2 * there + 1);
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        directed(order, (hit.received_at.as_micros(), place, hit.seq))
    });
    let mut first = First::new(limit, after);
    let mut found = Vec::new();
    for segment in segments.segments().map_err(super::failed)? {
        let (oldest, newest) = segment.times();
        let best = match order {
            Order::Ascending => oldest,
            Order::Descending => !newest,
        };
        found.push((best, segment));
    }
    found.sort_by_key(|(best, _)| *best);
    for (best, segment) in &found {
        if first.last.is_some_and(|(last, ..)| *best > last) {
            break;
        }
        segments.visit(segment, |found: Found| {
            let key = (found.received_at, 2 * found.chain + 1, found.seq);
            first.offer(directed(order, key));
            first.wanted(order)
        })?;
    }
    Ok(first
        .take()
        .into_iter()
        .filter_map(|key| {
            let (received_at, place, seq) = directed(order, key);
            let window = windows.get(usize::try_from(place / 2).ok()?)?;
            Some(Hit {
                received_at: chain::Timestamp::from_micros(received_at)?,
                partition: window.partition.clone(),
                generation: window.generation,
                seq,
            })
        })
        .collect())
}

/// Turns the order of keys around for descending pages; twice is nothing.
fn directed(order: Order, (received_at, place, seq): Key) -> Key {
    match order {
        Order::Ascending => (received_at, place, seq),
        Order::Descending => (!received_at, !place, !seq),
    }
}

/// The smallest keys after a given one. Keeps up to twice as many, and halves them when full.
struct First {
    limit: usize,
    after: Option<Key>,
    keys: Vec<Key>,
    /// Nothing behind this can be among the first any more.
    last: Option<Key>,
}

impl First {
    fn new(limit: usize, after: Option<Key>) -> Self {
        Self {
            limit,
            after,
            keys: Vec::with_capacity(2 * limit),
            last: None,
        }
    }

    fn offer(&mut self, key: Key) {
        if self.after.is_some_and(|after| key <= after) || self.last.is_some_and(|last| key > last)
        {
            return;
        }
        self.keys.push(key);
        if self.keys.len() == 2 * self.limit {
            self.keys.select_nth_unstable(self.limit - 1);
            self.keys.truncate(self.limit);
            self.last = self.keys.last().copied();
        }
    }

    fn wanted(&self, order: Order) -> Wanted {
        let last = self.last.map_or(i64::MAX, |(time, ..)| time);
        let first = self.after.map_or(i64::MIN, |(time, ..)| time);
        match order {
            Order::Ascending => Wanted {
                from: first,
                to: last,
            },
            Order::Descending => Wanted {
                from: !last,
                to: !first,
            },
        }
    }

    fn take(mut self) -> Vec<Key> {
        self.keys.sort_unstable();
        self.keys.truncate(self.limit);
        self.keys
    }
}
