//! Documents indexed a second, from the ledger until a search finds them, beside raw bulks of the very
//! same documents: the same mapping, the same requests in the same size over one connection, already
//! rendered, and a refresh at the end. One chain is one connection of an indexer-worker, too.

use std::time::Instant;

use anyhow::{Result, ensure};
use query::Document;
use search::wire;

use super::Bench;
use super::distributed::Distributed;
use crate::check::Trail;
use crate::cpu::Spent;
use crate::entries::Entries;
use crate::load::precise;
use crate::report::{Round, Target, progress};
use crate::tenants::Tenant;

/// Entries of one bulk, as an indexer-worker has it by itself.
const BULK: u64 = 2_000;

pub(super) async fn measure(bench: &mut Bench<'_>, installation: &mut Distributed) -> Result<()> {
    progress("indexing");
    let count = bench.config.indexed;
    let mut ratios = vec![];
    let mut bytes = 0;
    while bench.another(&ratios) {
        let code = format!("index-{}", ratios.len());
        let (tenant, trail) = installation.filled(&code, count).await?;
        let requests = requests(installation, &trail)?;
        bytes = requests.iter().map(Vec::len).sum();
        if ratios.is_empty() {
            // Java compiles what it runs often: the first to write would do it for the second.
            raw(bench, installation, &trail, &requests).await?;
        }
        let ours = indexed(bench, installation, (&tenant, &trail)).await?;
        bench.report.round("indexer-worker, one chain", ours);
        let alone = raw(bench, installation, &trail, &requests).await?;
        bench.report.round("raw _bulk of the same documents", alone);
        ratios.push(bench.report.outcome(ours.rate / alone.rate));
    }
    let name = "documents indexed/s ÷ raw _bulk of the same documents";
    bench.report.figure(name, ratios, Target::AtLeast(0.8));
    bench.report.note(format!(
        "Indexing was of {count} entries in one chain; their documents are {} bytes each on the way to OpenSearch.",
        bytes as u64 / count
    ));
    Ok(())
}

/// The worker's rate, from its being at work until the last entry is found.
async fn indexed(
    bench: &Bench<'_>,
    installation: &mut Distributed,
    (tenant, trail): (&Tenant, &Trail),
) -> Result<Round> {
    installation.opensearch.settled().await?;
    bench.quiet(&installation.watch(None)).await?;
    let indexer = installation.programs.indexer().await?;
    let watch = installation.watch(Some(&indexer));
    let (start, before) = (Instant::now(), watch.now()?);
    let found = installation.indexed(tenant, trail).await;
    let (seconds, spent) = (start.elapsed().as_secs_f64(), watch.now()? - before);
    indexer.stop().await?;
    found?;
    installation.nothing_left_out()?;
    let alias = wire::alias(&installation.settings()?, trail.tenant()?);
    complete(installation, trail, &alias).await?;
    Ok(round(trail.size()?, seconds, spent))
}

/// The rate of OpenSearch alone, into an index that is removed again.
async fn raw(
    bench: &Bench<'_>,
    installation: &mut Distributed,
    trail: &Trail,
    requests: &[Vec<u8>],
) -> Result<Round> {
    let settings = raw_settings(installation)?;
    let tenant = trail.tenant()?;
    let alias = wire::alias(&settings, tenant);
    let opensearch = &mut installation.opensearch;
    opensearch.send(&wire::create(&settings, tenant)).await?;
    opensearch.settled().await?;
    let watch = installation.watch(None);
    bench.quiet(&watch).await?;
    let opensearch = &mut installation.opensearch;
    let (start, before) = (Instant::now(), watch.now()?);
    let mut written = 0;
    for request in requests {
        written += written_by(opensearch.exchange(request).await?);
    }
    opensearch.refresh(&alias).await?;
    let (seconds, spent) = (start.elapsed().as_secs_f64(), watch.now()? - before);
    let size = trail.size()?;
    ensure!(
        written == size,
        "{written} of {size} documents were written"
    );
    complete(installation, trail, &alias).await?;
    installation.opensearch.remove(&settings.prefix).await?;
    Ok(round(size, seconds, spent))
}

/// An index has the trail's entries, each once.
async fn complete(installation: &mut Distributed, trail: &Trail, alias: &str) -> Result<()> {
    let partition = &trail.chain.partition;
    let count = installation.opensearch.count(alias, partition).await?;
    let size = trail.size()?;
    ensure!(count == size, "{count} documents of {size} entries");
    Ok(())
}

/// Items of a bulk's answer that say so.
fn written_by(answer: &[u8]) -> u64 {
    const CREATED: &[u8] = br#""status":201"#;
    let found = answer
        .windows(CREATED.len())
        .filter(|part| *part == CREATED);
    found.count() as u64
}

/// Beside the installation's own.
fn raw_settings(installation: &Distributed) -> Result<search::Settings> {
    let mut settings = installation.settings()?;
    settings.prefix.push_str("-raw");
    Ok(settings)
}

/// What the worker sends for the trail's entries, read from the same rows and rendered.
fn requests(installation: &Distributed, trail: &Trail) -> Result<Vec<Vec<u8>>> {
    let settings = raw_settings(installation)?;
    let tenant = trail.tenant()?;
    let mut entries = Entries::of(trail);
    let mut requests = Vec::new();
    loop {
        let some = entries.next(BULK)?;
        if some.is_empty() {
            return Ok(requests);
        }
        let documents = some.iter().map(Document::of);
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        let bulks = wire::bulks(&settings, tenant, &documents);
        requests.extend(
            bulks
                .iter()
                .map(|one| installation.opensearch.rendered(one)),
        );
    }
}

fn round(entries: u64, seconds: f64, spent: Spent) -> Round {
    Round {
        rate: precise(entries) / seconds,
        entries,
        seconds,
        spent,
        p50: 0.0,
        p99: 0.0,
    }
}
