//! Counts against a plain count over random entries; histograms by the calendar.

use std::collections::BTreeMap;

use chain::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use query::{Document, Keyword};
use search::{Bucket, Counts, Error, Histogram, Interval, Stats, Window, Zone};

use crate::entries::{small, time};
use crate::world::{Asked, World};

const START: i64 = 1_767_225_600_000_000;

fn random() -> impl Strategy<Value = Vec<Document>> {
    let one = (
        prop::sample::select(vec!["info", "info", "error", "critical"]),
        0..12_u32,
        0..30_u32,
        prop::option::of(prop::sample::select(vec!["success", "failure"])),
        prop::collection::btree_set(0..4_u32, 0..3),
        0..4_000_000_000_000_i64,
        prop::sample::select(vec!["red", "green", "blue"]),
    );
    prop::collection::vec(one, 300).prop_map(|entries| {
        let documents = entries.into_iter().zip(0..);
        documents
            .map(
                |((severity, action, actor, outcome, targets, after, word), seq)| {
                    let mut document = small("default", seq, START + after);
                    document.keywords = vec![
                        (Keyword::Severity, severity.to_owned()),
                        (Keyword::Action, format!("a.{action}")),
                        (Keyword::Actor, format!("user:u:{actor}")),
                    ];
                    let outcome = outcome.map(|outcome| (Keyword::Outcome, outcome.to_owned()));
                    document.keywords.extend(outcome);
                    let types = targets
                        .into_iter()
                        .map(|t| (Keyword::TargetType, format!("t{t}")));
                    document.keywords.extend(types);
                    document.words = vec![word.to_owned()];
                    document
                },
            )
            .collect()
    })
}

fn plain(documents: &[&Document], keyword: Keyword, top: usize) -> Counts {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for document in documents {
        for (_, value) in document.keywords.iter().filter(|(k, _)| *k == keyword) {
            *counts.entry(value).or_default() += 1;
        }
    }
    let mut all: Vec<_> = counts
        .into_iter()
        .map(|(value, count)| (value.to_owned(), count))
        .collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let others = all.iter().skip(top).map(|(_, count)| count).sum();
    all.truncate(top);
    Counts { top: all, others }
}

fn hours(documents: &[&Document]) -> Vec<Bucket> {
    const HOUR: i64 = 3_600_000_000;
    let hours = documents
        .iter()
        .map(|d| d.received_at.as_micros().div_euclid(HOUR));
    let (Some(first), Some(last)) = (hours.clone().min(), hours.clone().max()) else {
        return Vec::new();
    };
    let at = |hour: i64| Timestamp::from_micros(hour * HOUR).unwrap();
    let bucket = |hour: i64| Bucket {
        from: at(hour),
        to: at(hour + 1),
        count: hours.clone().filter(|h| *h == hour).count() as u64,
    };
    (first..=last).map(bucket).collect()
}

pub(crate) async fn counts_are_those_of_a_plain_count(world: World) {
    let mut runner = TestRunner::deterministic();
    for round in 0..4_u64 {
        let tenant = world.tenant().await;
        let mut documents = random().new_tree(&mut runner).unwrap().current();
        if round % 2 == 1 {
            for document in &mut documents {
                let micros = document.received_at.as_micros() / 1000 + START;
                document.received_at = Timestamp::from_micros(micros).unwrap();
            }
        }
        for part in documents.chunks(90) {
            world.write(tenant, part).await;
        }
        for (query, top) in [
            ("", 100),
            ("", 3),
            ("q=red", 5),
            ("q=-red&severity=info", 4),
            ("q=none", 2),
        ] {
            let mut asked = Asked::all(query, &["default"]);
            asked.windows = vec![Window {
                partition: "default".to_owned(),
                generation: 1,
                from: 10,
                to: 280,
            }];
            let counted: Vec<&Document> = documents
                .iter()
                .filter(|d| (10..280).contains(&d.seq))
                .filter(|d| match query {
                    "q=red" => d.words[0] == "red",
                    "q=-red&severity=info" => {
                        d.words[0] != "red"
                            && d.keywords.contains(&(Keyword::Severity, "info".to_owned()))
                    }
                    "" => true,
                    _ => false,
                })
                .collect();
            let histogram = Histogram {
                interval: Interval::Hour,
                zone: Zone::UTC,
            };
            let hours = hours(&counted);
            let expected = Stats {
                total: counted.len() as u64,
                actions: plain(&counted, Keyword::Action, top),
                actors: plain(&counted, Keyword::Actor, top),
                severities: plain(&counted, Keyword::Severity, top),
                outcomes: plain(&counted, Keyword::Outcome, top),
                target_types: plain(&counted, Keyword::TargetType, top),
                histogram: if hours.len() > 1000 {
                    Vec::new()
                } else {
                    hours.clone()
                },
            };
            let histogram = (hours.len() <= 1000).then_some(histogram);
            let stats = asked.stats(&world, tenant, top, histogram).await.unwrap();
            assert_eq!(stats, expected, "{query} {top}");
        }
    }
    world.end().await;
}

/// The clock goes forward on 29 March 2026 in Berlin, and back on 25 October.
pub(crate) async fn days_of_a_time_zone(world: World) {
    let tenant = world.tenant().await;
    let moments = [
        "2026-03-28T22:59:59.999999Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T21:59:59.999999Z",
        "2026-03-29T22:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T22:59:59Z",
        "2026-10-25T23:00:00Z",
    ];
    let documents: Vec<_> = moments
        .iter()
        .zip(0..)
        .map(|(moment, seq)| small("default", seq, time(moment).as_micros()))
        .collect();
    world.write(tenant, &documents).await;
    let zone = || "Europe/Berlin".parse::<Zone>().unwrap();
    let counted = async |query: &str, interval| {
        let asked = Asked::all(query, &["default"]);
        let histogram = Histogram {
            interval,
            zone: zone(),
        };
        let stats = asked
            .stats(&world, tenant, 1, Some(histogram))
            .await
            .unwrap();
        let buckets = stats.histogram.into_iter();
        let shown = buckets.map(|b| (b.from.to_string()[..16].to_owned(), b.count));
        shown.collect::<Vec<_>>()
    };
    let march = "from=2026-03-28T12:00:00Z&to=2026-03-30T12:00:00Z";
    let bucket = |text: &str, count| (text.to_owned(), count);
    assert_eq!(
        counted(march, Interval::Day).await,
        [
            bucket("2026-03-27T23:00", 1),
            bucket("2026-03-28T23:00", 2),
            bucket("2026-03-29T22:00", 1)
        ]
    );
    let october = "from=2026-10-25T00:00:00Z&to=2026-10-25T02:00:00Z";
    assert_eq!(
        counted(october, Interval::Hour).await,
        [bucket("2026-10-25T00:00", 1), bucket("2026-10-25T01:00", 1)]
    );
    assert_eq!(
        counted(
            "from=2026-10-24T00:00:00Z&to=2026-10-26T00:00:00Z",
            Interval::Day
        )
        .await,
        [
            bucket("2026-10-23T22:00", 0),
            bucket("2026-10-24T22:00", 4),
            bucket("2026-10-25T23:00", 1)
        ]
    );
    let weeks = counted(
        "from=2026-10-21T00:00:00Z&to=2026-10-27T00:00:00Z",
        Interval::Week,
    )
    .await;
    assert_eq!(
        weeks,
        [bucket("2026-10-18T22:00", 4), bucket("2026-10-25T23:00", 1)]
    );
    let months = counted("", Interval::Month).await;
    assert_eq!(months.first(), Some(&bucket("2026-02-28T23:00", 4)));
    assert_eq!(months.last(), Some(&bucket("2026-09-30T22:00", 5)));
    assert_eq!(months.len(), 8);
    world.end().await;
}

pub(crate) async fn absurd_histograms_are_refused(world: World) {
    let tenant = world.tenant().await;
    world
        .write(
            tenant,
            &[
                small("default", 0, START),
                small("default", 1, START + 1_000_000_000_000),
            ],
        )
        .await;
    for (query, interval, refused) in [
        ("", Interval::Minute, true),
        ("", Interval::Hour, false),
        (
            "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z",
            Interval::Month,
            true,
        ),
        ("from=9999-12-31T00:00:00Z", Interval::Month, true),
        (
            "from=0001-01-01T00:00:00Z&to=0001-01-03T00:00:00Z",
            Interval::Month,
            false,
        ),
        ("q=nothing", Interval::Minute, false),
    ] {
        let asked = Asked::all(query, &["default"]);
        let histogram = Histogram {
            interval,
            zone: Zone::UTC,
        };
        let stats = asked.stats(&world, tenant, 1, Some(histogram)).await;
        match stats {
            Err(Error::TooManyBuckets) => assert!(refused, "{query}"),
            other => assert!(!refused && other.is_ok(), "{query}: {other:?}"),
        }
    }
    assert!("Berlin".parse::<Zone>().is_err());
    assert!("second".parse::<Interval>().is_err());
    world.end().await;
}
