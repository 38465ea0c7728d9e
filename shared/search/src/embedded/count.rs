//! Counts over all hits: one number for each value of each segment, then one pass over the values of
//! all segments in their order. It never holds more values than are asked for.

use chain::Timestamp;
use tantivy::columnar::StrColumn;

use super::segments::{Segments, Wanted, index};
use crate::histogram::{self, Histogram};
use crate::top::Top;
use crate::{COUNTED, Counts, Error, Stats};

pub(super) fn count(
    segments: &Segments<'_>,
    top: usize,
    edges: &[Timestamp],
) -> Result<Stats, Error> {
    let mut stats = Stats::default();
    let mut columns: [Vec<Column>; COUNTED.len()] = Default::default();
    let mut buckets = vec![0; edges.len().saturating_sub(1)];
    for segment in segments.segments().map_err(super::failed)? {
        let mut open = Vec::with_capacity(COUNTED.len());
        for keyword in COUNTED {
            let column = segment.reader.fast_fields().str(keyword.name());
            open.push(column.map_err(super::failed)?.map(Column::new));
        }
        segments.visit(&segment, |found| {
            stats.total += 1;
            for column in open.iter_mut().flatten() {
                for ordinal in column.values.ords().values_for_doc(found.doc) {
                    column.counts[index(ordinal)] += 1;
                }
            }
            // The first edge is at or before every hit, and the last one after.
            let after = edges.partition_point(|edge| edge.as_micros() <= found.received_at);
            if let Some(bucket) = after
                .checked_sub(1)
                .and_then(|place| buckets.get_mut(place))
            {
                *bucket += 1;
            }
            Wanted::ALL
        })?;
        for (column, all) in open.into_iter().zip(&mut columns) {
            all.extend(column);
        }
    }
    for (keyword, columns) in COUNTED.into_iter().zip(&columns) {
        *stats.of(keyword) = merged(columns, top).map_err(super::failed)?;
    }
    stats.histogram = histogram::buckets(edges, &buckets);
    Ok(stats)
}

/// The first and the last time of receipt of all hits.
pub(super) fn times(segments: &Segments<'_>) -> Result<Option<(i64, i64)>, Error> {
    let mut times: Option<(i64, i64)> = None;
    for segment in segments.segments().map_err(super::failed)? {
        segments.visit(&segment, |found| {
            let moment = found.received_at;
            let (first, last) = times.unwrap_or((moment, moment));
            times = Some((first.min(moment), last.max(moment)));
            Wanted::ALL
        })?;
    }
    Ok(times)
}

pub(super) fn edges(
    segments: &Segments<'_>,
    histogram: Option<&Histogram>,
    bounds: (Option<Timestamp>, Option<Timestamp>),
) -> Result<Vec<Timestamp>, Error> {
    let Some(histogram) = histogram else {
        return Ok(Vec::new());
    };
    let found = match bounds {
        (Some(_), Some(_)) => None,
        _ => times(segments)?,
    };
    histogram.between(bounds, found)
}

/// One counted column of one segment.
struct Column {
    values: StrColumn,
    /// By ordinal.
    counts: Vec<u64>,
}

impl Column {
    fn new(values: StrColumn) -> Self {
        Self {
            counts: vec![0; values.num_terms()],
            values,
        }
    }
}

fn merged(columns: &[Column], top: usize) -> tantivy::Result<Counts> {
    let mut streams = Vec::with_capacity(columns.len());
    for column in columns {
        let mut stream = column.values.dictionary().stream()?;
        let mut next = move || {
            while stream.advance() {
                let count = column.counts[index(stream.term_ord())];
                if count > 0 {
                    return Some((stream.key().to_vec(), count));
                }
            }
            None
        };
        let head = next();
        streams.push((head, next));
    }
    let mut counts = Top::new(top);
    while let Some(least) = streams
        .iter()
        .filter_map(|(head, _)| head.as_ref())
        .map(|(value, _)| value)
        .min()
        .cloned()
    {
        let mut sum = 0;
        for (head, next) in &mut streams {
            if let Some((_, count)) = head.take_if(|(value, _)| *value == least) {
                sum += count;
                *head = next();
            }
        }
        counts.add(&String::from_utf8_lossy(&least), sum);
    }
    Ok(counts.finish())
}
