//! A page of 50 through the API beside the same query sent to OpenSearch directly: in turn, each over
//! one connection. Both must find the same entries.

mod questions;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use search::wire;

pub(super) use self::questions::span;
use self::questions::{LIMIT, Pair, page, pairs, same};
use super::Bench;
use super::distributed::Distributed;
use crate::check::Trail;
use crate::cpu::Spent;
use crate::http::Connection;
use crate::load::{Measured, precise};
use crate::report::{Round, Target, median, number, progress};

/// Questions for what is not searched.
const FLOORS: u32 = 200;

/// Microseconds of each answer.
#[derive(Default)]
struct Times {
    api: Vec<u32>,
    direct: Vec<u32>,
    /// Of each kind: through the API, directly.
    kinds: BTreeMap<&'static str, (Vec<f64>, Vec<f64>)>,
    entries: u64,
    /// What an answer takes at least, in milliseconds: a page of the ledger alone, through the API; and
    /// nothing at all, of OpenSearch.
    floors: (Vec<f64>, Vec<f64>),
}

pub(super) async fn measure(bench: &mut Bench<'_>, installation: &mut Distributed) -> Result<()> {
    progress("searches");
    let (tenant, trail) = installation.filled("search", bench.config.indexed).await?;
    let indexer = installation.programs.indexer().await?;
    installation.indexed(&trail).await?;
    let watch = installation.watch(Some(&indexer));
    let span = span(&trail)?;
    let (mut ratios, mut times) = (vec![], Times::default());
    while bench.another(&ratios) {
        // Tokens do not last for all rounds.
        let partition = &trail.chain.partition;
        let trail = installation.running.trail_of(&tenant, partition).await?;
        let pairs = pairs(installation, &trail, span)?;
        if ratios.is_empty() {
            let mut warm = Times::default();
            ask(installation, &pairs, bench.config.seconds, &mut warm).await?;
        }
        installation.opensearch.settled().await?;
        bench.quiet(&watch).await?;
        let before = watch.now()?;
        let start = Instant::now();
        let mut round = Times::default();
        ask(installation, &pairs, bench.config.seconds, &mut round).await?;
        let (seconds, spent) = (start.elapsed().as_secs_f64(), watch.now()? - before);
        let api = lines(bench, &mut round, seconds, spent);
        ratios.push(bench.report.outcome(api));
        for (kind, (api, direct)) in round.kinds {
            let all = times.kinds.entry(kind).or_default();
            all.0.extend(api);
            all.1.extend(direct);
        }
        times.api.extend(round.api);
        floors(installation, &trail, &mut times.floors).await?;
        times.entries += round.entries;
    }
    installation.asked_its_index()?;
    installation.nothing_left_out()?;
    indexer.stop().await?;
    let name = "search p50 through the API ÷ the same query to OpenSearch";
    bench.report.figure(name, ratios, Target::AtMost(1.3, ""));
    bench.report.note(note(bench.config.indexed, &times));
    Ok(())
}

/// Adds both sides to the table, and gives the ratio of their p50s. They ran in turn, so processor time
/// cannot be told apart and is left out.
fn lines(bench: &mut Bench<'_>, times: &mut Times, seconds: f64, spent: Spent) -> f64 {
    let spent = Spent {
        machine: spent.others(),
        ..Spent::default()
    };
    let mut p50 = [0.0; 2];
    for ((name, latencies), p50) in [
        ("searches through the API, 50 entries a page", &times.api),
        ("the same queries to OpenSearch", &times.direct),
    ]
    .into_iter()
    .zip(&mut p50)
    {
        let mut latencies = latencies.clone();
        latencies.sort_unstable();
        let count = latencies.len() as u64;
        let busy: f64 = latencies.iter().copied().map(f64::from).sum::<f64>() / 1e6;
        let measured = Measured {
            latencies,
            ..Measured::default()
        };
        *p50 = measured.quantile(0.5);
        let round = Round {
            rate: precise(count) / busy,
            entries: count,
            seconds,
            spent,
            p50: *p50,
            p99: measured.quantile(0.99),
        };
        bench.report.round(name, round);
    }
    p50[0] / p50[1]
}

/// Asks until the time is over, all questions once at least.
async fn ask(
    installation: &mut Distributed,
    pairs: &[Pair],
    seconds: u64,
    times: &mut Times,
) -> Result<()> {
    // One that says nothing for long is closed.
    let mut connection = Connection::open(installation.running.logs[0]).await?;
    let until = Instant::now() + Duration::from_secs(seconds);
    for (nth, pair) in pairs.iter().cycle().enumerate() {
        if nth >= pairs.len() && Instant::now() >= until {
            break;
        }
        // Whoever asks second finds what the first one has just used.
        let (mut found, mut told) = (None, None);
        for api in [nth % 2 == 0, nth % 2 == 1] {
            let start = Instant::now();
            if api {
                let answer = connection.send(&pair.api).await?;
                let took = start.elapsed();
                let text = String::from_utf8_lossy(answer.body);
                ensure!(answer.status == 200, "{}: {text}", pair.asked.query);
                found = Some((took, text.into_owned()));
            } else {
                let answer = installation.opensearch.exchange(&pair.direct).await?;
                let took = start.elapsed();
                told = Some((took, String::from_utf8_lossy(answer).into_owned()));
            }
        }
        let ((api, page), (direct, hits)) = found.zip(told).context("both were asked")?;
        times.entries += same(pair, &page, &hits)?;
        let micros = |took: Duration| u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        times.api.push(micros(api));
        times.direct.push(micros(direct));
        let of_kind = times.kinds.entry(pair.asked.kind.name()).or_default();
        of_kind.0.push(api.as_secs_f64() * 1e3);
        of_kind.1.push(direct.as_secs_f64() * 1e3);
    }
    Ok(())
}

/// What either takes to answer when nothing is searched.
async fn floors(
    installation: &mut Distributed,
    trail: &Trail,
    (ledger, nothing): &mut (Vec<f64>, Vec<f64>),
) -> Result<()> {
    let query = format!("partition={}&limit={LIMIT}", trail.chain.partition);
    let page = page(&query, trail);
    let empty = installation.opensearch.rendered(&wire::Request {
        method: "GET",
        path: "?filter_path=tagline".to_owned(),
        body: String::new(),
    });
    let mut connection = Connection::open(installation.running.logs[0]).await?;
    for _ in 0..FLOORS {
        let start = Instant::now();
        let answer = connection.send(&page).await?;
        ledger.push(start.elapsed().as_secs_f64() * 1e3);
        ensure!(answer.status == 200, "{query}: {}", answer.status);
        let start = Instant::now();
        installation.opensearch.exchange(&empty).await?;
        nothing.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

fn note(indexed: u64, times: &Times) -> String {
    let kinds = times.kinds.iter().map(|(kind, (api, direct))| {
        format!(
            "{kind} {} and {}",
            number(median(api)),
            number(median(direct))
        )
    });
    let (ledger, nothing) = &times.floors;
    format!(
        "Searches were over {indexed} entries and found {} of at most {LIMIT} on average; p50 in ms through \
         the API and directly: {}. A request that asks OpenSearch for nothing takes {} ms, a page of {LIMIT} from \
         the ledger alone {} ms. A direct answer holds places of entries only; the API counts the read for the \
         trail, reads the heads and the entries from the ledger, checks each again and renders it.",
        number(precise(times.entries) / precise(times.api.len().max(1) as u64)),
        kinds.collect::<Vec<_>>().join("; "),
        number(median(nothing)),
        number(median(ledger)),
    )
}
