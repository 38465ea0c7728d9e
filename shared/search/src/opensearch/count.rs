//! Counts, by aggregations. A tenant is in one shard, so that they are exact.

use std::collections::BTreeMap;

use chain::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::{complete, query, search};
use super::http::{Http, QUICK};
use crate::{COUNTED, Counts, Error, MAX_TOP, Stats, StatsAsk, histogram};

const HISTOGRAM: &str = "histogram";

#[derive(Deserialize)]
struct Found {
    timed_out: bool,
    hits: Hits,
    #[serde(default)]
    aggregations: BTreeMap<String, Aggregation>,
}

#[derive(Deserialize)]
struct Hits {
    total: Total,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct Aggregation {
    #[serde(default)]
    buckets: Vec<Bucket>,
    #[serde(default)]
    sum_other_doc_count: u64,
    #[serde(default)]
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Bucket {
    key: Value,
    doc_count: u64,
}

pub(super) async fn stats(http: &Http, alias: &str, ask: &StatsAsk<'_>) -> Result<Stats, Error> {
    let bounds = (ask.filter.from(), ask.filter.to());
    let asked = query(ask.filter, ask.windows, ask.mask);
    let edges = match (&ask.histogram, &asked) {
        (None, _) => Vec::new(),
        (Some(histogram), Some(query)) if bounds.0.is_none() || bounds.1.is_none() => {
            histogram.between(bounds, times(http, alias, query).await?)?
        }
        (Some(histogram), _) => histogram.between(bounds, None)?,
    };
    let Some(query) = asked else {
        return Ok(Stats::none(&edges));
    };
    let mut aggregations = json!({});
    for keyword in COUNTED {
        let top = ask.top.clamp(1, MAX_TOP);
        aggregations[keyword.name()] = json!({"terms": {"field": keyword.name(), "size": top}});
    }
    if !edges.is_empty() {
        aggregations[HISTOGRAM] = ranges(&edges);
    }
    let found = ask_for(http, alias, &query, &aggregations).await?;
    let mut stats = Stats {
        total: found.hits.total.value,
        ..Stats::default()
    };
    for (name, aggregation) in found.aggregations {
        if name == HISTOGRAM {
            let counts: Vec<_> = aggregation.buckets.iter().map(|b| b.doc_count).collect();
            stats.histogram = histogram::buckets(&edges, &counts);
        } else if let Some(keyword) = COUNTED.into_iter().find(|k| k.name() == name) {
            *stats.of(keyword) = counts(aggregation);
        }
    }
    Ok(stats)
}

async fn ask_for(
    http: &Http,
    alias: &str,
    query: &Value,
    aggregations: &Value,
) -> Result<Found, Error> {
    let body = json!({
        "query": query, "size": 0, "track_total_hits": true, "timeout": "9s",
        "aggregations": aggregations,
    });
    let path = search(alias, "timed_out,hits.total.value,aggregations");
    let found: Found = http.post(&path, &body, QUICK).await?.read()?;
    complete(found.timed_out)?;
    Ok(found)
}

/// The first and the last time of receipt of all hits.
async fn times(http: &Http, alias: &str, query: &Value) -> Result<Option<(i64, i64)>, Error> {
    let aggregations = json!({
        "first": {"min": {"field": "received_at"}},
        "last": {"max": {"field": "received_at"}},
    });
    let found = ask_for(http, alias, query, &aggregations).await?;
    let value = |name| found.aggregations.get(name).and_then(|found| found.value);
    Ok(value("first").map(micros).zip(value("last").map(micros)))
}

/// Microseconds of our times are below 2^53 until the year 2255, and exact.
#[expect(clippy::cast_possible_truncation, reason = "a whole number in range")]
fn micros(value: f64) -> i64 {
    value as i64
}

fn ranges(edges: &[Timestamp]) -> Value {
    let ranges: Vec<_> = edges
        .windows(2)
        .map(|edge| json!({"from": edge[0].as_micros(), "to": edge[1].as_micros()}))
        .collect();
    json!({"range": {"field": "received_at", "ranges": ranges}})
}

fn counts(aggregation: Aggregation) -> Counts {
    let buckets = aggregation.buckets.into_iter();
    Counts {
        top: buckets
            .map(|bucket| {
                (
                    bucket.key.as_str().unwrap_or_default().to_owned(),
                    bucket.doc_count,
                )
            })
            .collect(),
        others: aggregation.sum_other_doc_count,
    }
}
