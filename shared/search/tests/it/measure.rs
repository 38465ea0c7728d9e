//! Not a test: how long searches take over a large embedded index. Run it alone, in a release build:
//! `cargo test --release -p search --test it -- --ignored --nocapture measure`.

use std::time::{Duration, Instant};

use chain::{Mask, Timestamp};
use query::{Document, Keyword, Order};
use search::{Histogram, Interval, Which, Zone};

use crate::world::{Asked, Kind, World};

const ENTRIES: u64 = 5_000_000;
const BULK: u64 = 2_000;
const ROUNDS: usize = 20;

/// Without a generator: what is spread is spread the same each time.
fn spread(seq: u64, salt: u64) -> u64 {
    let mut mixed = seq.wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

fn entry(seq: u64) -> Document {
    let of = |salt, count| spread(seq, salt) % count;
    let action = format!("service{}.verb{}", of(1, 20), of(2, 15));
    let actor = of(3, 20_000);
    // Some words are everywhere, most are seldom.
    let word = |salt| {
        let drawn = of(salt, 1_000_000);
        format!("w{}", drawn * drawn / 50_000_000)
    };
    let description: Vec<_> = (10..22).map(word).collect();
    Document {
        partition: "default".to_owned(),
        generation: 1,
        seq,
        received_at: Timestamp::from_micros(
            1_700_000_000_000_000 + 1_000 * i64::try_from(seq).unwrap(),
        )
        .unwrap(),
        version: 1,
        keywords: vec![
            (Keyword::Action, action.clone()),
            (Keyword::ActionBelow, format!("service{}.", of(1, 20))),
            (
                Keyword::Severity,
                ["info", "info", "info", "warning", "error"][usize::try_from(of(4, 5)).unwrap()]
                    .to_owned(),
            ),
            (
                Keyword::Outcome,
                if of(5, 10) == 0 { "failure" } else { "success" }.to_owned(),
            ),
            (Keyword::Actor, format!("user:u-{actor}")),
            (Keyword::ActorType, "user".to_owned()),
            (Keyword::ActorId, format!("u-{actor}")),
            (Keyword::TargetType, format!("type{}", of(6, 12))),
            (Keyword::TargetId, format!("id-{}", of(7, 1_000_000))),
            (Keyword::Ip, format!("192.0.{}.{}", of(8, 40), of(9, 250))),
        ],
        words: vec![
            action.replace('.', " "),
            format!("u {actor}"),
            format!("id {}", of(7, 1_000_000)),
        ],
        personal_words: vec![
            description.join(" "),
            format!("192 0 {} {}", of(8, 40), of(9, 250)),
        ],
    }
}

const ASKED: [&str; 16] = [
    "q=w7",
    "q=w19000",
    "q=w7+w11",
    "q=w100+w200",
    "q=\"w1+w2\"",
    "q=w12*",
    "q=w3+-w4",
    "severity=error&q=w50",
    "severity=info&outcome=success&q=w5",
    "action=service3.*&q=w9",
    "action=service3.verb4&q=w9",
    "actor_id=u-77&q=w1*",
    "actor_id=u-77",
    "target_type=type3&target_id=id-77",
    "ip=192.0.3.7&q=verb7",
    "q=-w1&severity=info",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, for minutes"]
async fn measure_pages_and_counts() {
    let world = World::open(Kind::Embedded).await;
    let tenant = world.tenant().await;
    let began = Instant::now();
    for first in (0..ENTRIES).step_by(usize::try_from(BULK).unwrap()) {
        let documents: Vec<_> = (first..first + BULK).map(entry).collect();
        let refused = world
            .search
            .write(tenant, Which::Current, &documents)
            .await
            .unwrap();
        assert_eq!(refused, []);
    }
    let rate = f64::from(u32::try_from(ENTRIES).unwrap()) / began.elapsed().as_secs_f64();
    println!("written: {rate:.0} documents/s in bulks of {BULK}");
    let mut all = Vec::new();
    for query in ASKED {
        let mut times = Vec::new();
        let mut found = 0;
        for round in 0..ROUNDS {
            let mut asked = Asked::all(query, &["default"]);
            asked.order = if round % 2 == 0 {
                Order::Descending
            } else {
                Order::Ascending
            };
            asked.limit = 100;
            asked.mask = Mask::Nothing;
            let began = Instant::now();
            found = asked.find(&world, tenant).await.len();
            times.push(began.elapsed());
        }
        all.extend(times.clone());
        times.sort();
        println!(
            "{query:45} {found:4} hits, p50 {:?}, longest {:?}",
            times[ROUNDS / 2],
            times[ROUNDS - 1]
        );
    }
    all.sort();
    let at = |share: usize| all[all.len() * share / 100];
    println!("all: p50 {:?}, p99 {:?}", at(50), at(99));
    let began = Instant::now();
    let histogram = Some(Histogram {
        interval: Interval::Minute,
        zone: Zone::UTC,
    });
    let asked = Asked::all("severity=error", &["default"]);
    let stats = asked.stats(&world, tenant, 10, histogram).await.unwrap();
    println!("counts of {}: {:?}", stats.total, began.elapsed());
    assert!(at(99) < Duration::from_secs(10));
    world.end().await;
}
