//! A page of 50 through the API beside the same query sent to OpenSearch directly, in turn, each over one
//! connection. OpenSearch is asked twice: an index that keeps the entries answers with them, as the API
//! does, and the installation's own with their places alone. All must find the same entries.

mod kept;
mod questions;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use search::wire;

use self::kept::Kept;
pub(super) use self::questions::span;
use self::questions::{LIMIT, Question, page, questions, same};
use super::distributed::Distributed;
use super::{BYTES, Bench};
use crate::check::Trail;
use crate::cpu::Spent;
use crate::http::Connection;
use crate::load::{Measured, precise};
use crate::report::{Round, Target, median, number, progress};

/// Questions for what is not searched.
const FLOORS: u32 = 200;

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Api,
    /// OpenSearch, for the entries.
    Kept,
    /// OpenSearch, for their places.
    Places,
}

impl Side {
    const ALL: [Self; 3] = [Self::Api, Self::Kept, Self::Places];

    fn load(self) -> &'static str {
        match self {
            Self::Api => "searches through the API, 50 entries a page",
            Self::Kept => "the same queries to OpenSearch, answered with the entries",
            Self::Places => "the same queries to OpenSearch, answered with their places",
        }
    }
}

/// Microseconds of each answer, by side and kind of question.
#[derive(Default)]
struct Times {
    took: BTreeMap<Side, BTreeMap<&'static str, Vec<u32>>>,
    /// What an answer takes at least, in milliseconds: a page of the ledger alone, through the API; and
    /// nothing at all, of OpenSearch.
    floors: (Vec<f64>, Vec<f64>),
    questions: u64,
    entries: u64,
}

pub(super) async fn measure(bench: &mut Bench<'_>, installation: &mut Distributed) -> Result<()> {
    progress("searches");
    let count = bench.config.searched;
    bench.room(count * BYTES, "--searched")?;
    let (tenant, trail) = installation.filled("search", count).await?;
    let indexer = installation.programs.indexer().await?;
    installation.indexed(&tenant, &trail).await?;
    progress("  the same entries in an index that keeps them");
    let kept = Kept::fill(installation, &trail).await?;
    let watch = installation.watch(Some(&indexer));
    let span = span(&trail)?;
    let (mut with_entries, mut with_places, mut times) = (vec![], vec![], Times::default());
    while bench.another(&with_entries) {
        // Tokens do not last for all rounds.
        let partition = &trail.chain.partition;
        let trail = installation.running.trail_of(&tenant, partition).await?;
        let questions = questions(installation, &kept, &trail, span)?;
        if with_entries.is_empty() {
            let mut warm = Times::default();
            ask(installation, &questions, bench.config.seconds, &mut warm).await?;
        }
        installation.opensearch.settled().await?;
        bench.quiet(&watch).await?;
        let before = watch.now()?;
        let start = Instant::now();
        let mut round = Times::default();
        ask(installation, &questions, bench.config.seconds, &mut round).await?;
        let (seconds, spent) = (start.elapsed().as_secs_f64(), watch.now()? - before);
        let [api, kept, places] = lines(bench, &round, seconds, spent);
        with_entries.push(bench.report.outcome(api / kept));
        with_places.push(bench.report.outcome(api / places));
        times.add(round);
        floors(installation, &trail, &mut times.floors).await?;
    }
    installation.asked_its_index()?;
    installation.nothing_left_out()?;
    indexer.stop().await?;
    kept.remove(installation).await?;
    let report = &mut bench.report;
    let name = "search p50 through the API ÷ the same query to OpenSearch, which keeps the entries";
    report.figure(name, with_entries, Target::AtMost(1.3, ""));
    let name = "search p50 through the API ÷ the same query to OpenSearch for places alone";
    report.figure(name, with_places, Target::AtMost(1.3, ""));
    report.note(note(count, &times));
    Ok(())
}

impl Times {
    fn take(&mut self, side: Side, kind: &'static str, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let of_side = self.took.entry(side).or_default();
        of_side.entry(kind).or_default().push(micros);
    }

    fn add(&mut self, round: Self) {
        for (side, kinds) in round.took {
            for (kind, took) in kinds {
                let of_side = self.took.entry(side).or_default();
                of_side.entry(kind).or_default().extend(took);
            }
        }
        self.questions += round.questions;
        self.entries += round.entries;
    }

    fn of(&self, side: Side) -> Vec<u32> {
        let kinds = self.took.get(&side).into_iter().flat_map(BTreeMap::values);
        kinds.flatten().copied().collect()
    }
}

/// Adds all sides to the table, and gives their p50s. They ran in turn, so processor time cannot be told
/// apart and is left out.
fn lines(bench: &mut Bench<'_>, times: &Times, seconds: f64, spent: Spent) -> [f64; 3] {
    let spent = Spent {
        machine: spent.others(),
        ..Spent::default()
    };
    Side::ALL.map(|side| {
        let mut latencies = times.of(side);
        latencies.sort_unstable();
        let count = latencies.len() as u64;
        let busy: f64 = latencies.iter().copied().map(f64::from).sum::<f64>() / 1e6;
        let measured = Measured {
            latencies,
            ..Measured::default()
        };
        let round = Round {
            rate: precise(count) / busy,
            entries: count,
            seconds,
            spent,
            p50: measured.quantile(0.5),
            p99: measured.quantile(0.99),
        };
        bench.report.round(side.load(), round);
        round.p50
    })
}

/// Asks until the time is over, all questions once at least.
async fn ask(
    installation: &mut Distributed,
    questions: &[Question],
    seconds: u64,
    times: &mut Times,
) -> Result<()> {
    // One that says nothing for long is closed.
    let mut connection = Connection::open(installation.running.logs[0]).await?;
    let until = Instant::now() + Duration::from_secs(seconds);
    for (nth, question) in questions.iter().cycle().enumerate() {
        if nth >= questions.len() && Instant::now() >= until {
            break;
        }
        // Of the installation's index, whoever asks second finds what the first one has just used. The other
        // index is asked twice as well, and each time is counted in turn.
        let odd = nth % 2 == 1;
        let order = [Side::Api, Side::Places];
        let order = if odd { [order[1], order[0]] } else { order };
        let mut answers = BTreeMap::new();
        for (side, counts) in [
            (order[0], true),
            (order[1], true),
            (Side::Kept, odd),
            (Side::Kept, !odd),
        ] {
            let start = Instant::now();
            let body = match side {
                Side::Api => {
                    let answer = connection.send(&question.api).await?;
                    let text = String::from_utf8_lossy(answer.body);
                    ensure!(answer.status == 200, "{}: {text}", question.asked.query);
                    answer.body
                }
                Side::Kept => installation.opensearch.exchange(&question.kept).await?,
                Side::Places => installation.opensearch.exchange(&question.places).await?,
            };
            let took = start.elapsed();
            answers.insert(side, body.to_vec());
            if counts {
                times.take(side, question.asked.kind.name(), took);
            }
        }
        let [api, kept, places] = Side::ALL.map(|side| answers[&side].as_slice());
        times.questions += 1;
        times.entries += same(question, api, kept, places)?;
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

fn note(searched: u64, times: &Times) -> String {
    let kinds = times
        .took
        .values()
        .next()
        .into_iter()
        .flat_map(BTreeMap::keys);
    let kinds = kinds.map(|kind| {
        let [api, kept, places] = Side::ALL.map(|side| {
            let took = times.took.get(&side).and_then(|kinds| kinds.get(kind));
            let millis = took
                .into_iter()
                .flatten()
                .map(|took| f64::from(*took) / 1e3);
            number(median(&millis.collect::<Vec<_>>()))
        });
        format!("{kind} {api}, {kept} and {places}")
    });
    let (ledger, nothing) = &times.floors;
    format!(
        "Searches were over {searched} entries and found {} of at most {LIMIT} on average; p50 in ms through \
         the API, of OpenSearch with the entries and of OpenSearch with their places alone: {}. A request that \
         asks OpenSearch for nothing takes {} ms, a page of {LIMIT} from the ledger alone {} ms.",
        number(precise(times.entries) / precise(times.questions.max(1))),
        kinds.collect::<Vec<_>>().join("; "),
        number(median(nothing)),
        number(median(ledger)),
    )
}
