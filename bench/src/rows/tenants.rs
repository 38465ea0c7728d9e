//! Thousands of tenants with an index each on one OpenSearch node of 2 GiB heap: each appends a little,
//! is indexed and searches. It works or it does not; what it takes of memory and time is noted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use super::Bench;
use super::distributed::Distributed;
use crate::check::Trail;
use crate::client::Client;
use crate::cpu::resident_memory;
use crate::database::Database;
use crate::http::Connection;
use crate::load::{Measured, precise};
use crate::programs::Indexer;
use crate::report::{Target, number, progress};
use crate::system::Credentials;
use crate::template::{Ids, Into, Template};
use crate::tenants::Tenant;

/// Entries of each tenant.
const ENTRIES: u64 = 20;
/// Tenants that are made, or that search, at the same time.
const AT_ONCE: u64 = 4;
/// What one operator may change is bounded to 300 things at once, and then to few a minute. How fast tenants can be
/// made is not what the row is about, so after so many tenants he begins anew.
const OF_ONE_OPERATOR: u64 = 200;
/// A heap that is larger is not what the row is about: 2 GiB, as Java rounds it.
const MOST_HEAP: u64 = 2_200_000_000;
/// Beside the indices of the tenants.
const OTHER_SHARDS: u64 = 100;
/// One look whether a tenant is indexed; tokens last longer.
const LOOK: Duration = Duration::from_mins(5);
/// So many looks at one tenant, while all the others are being indexed too.
const LOOKS: u32 = 6;

/// What the tasks have in common.
struct Site {
    auth: Client,
    logs: std::net::SocketAddr,
    installation: Credentials,
    database: Database,
}

pub(super) async fn measure(bench: &mut Bench<'_>, installation: &mut Distributed) -> Result<()> {
    let count = bench.config.tenants;
    progress(&format!("{count} tenants with an index each"));
    let most = installation.opensearch.heap().await?.most;
    if most > MOST_HEAP {
        let note =
            format!("Left out: the row `tenants`, which wants a heap of 2 GiB, not {most} bytes.");
        progress(&note);
        bench.report.note(note);
        return Ok(());
    }
    // It takes 1,000 by itself, and whoever runs so many tenants has to say more.
    let shards = Some(count + OTHER_SHARDS + 1_000);
    installation.opensearch.most_shards(shards).await?;
    let indexer = installation.programs.indexer().await?;
    let measured = with(bench, installation, &indexer, count).await;
    let complaints = indexer.complaints()?;
    indexer.stop().await?;
    installation.opensearch.most_shards(None).await?;
    measured?;
    installation.asked_its_index()?;
    installation.nothing_left_out()?;
    if let Some(first) = complaints.first() {
        let count = complaints.len();
        bench.report.note(format!(
            "The indexer-worker complained {count} times; first: `{first}`"
        ));
    }
    Ok(())
}

async fn with(
    bench: &mut Bench<'_>,
    installation: &mut Distributed,
    indexer: &Indexer,
    count: u64,
) -> Result<()> {
    bench.report.begin();
    let site = Arc::new(Site {
        auth: installation.running.auth(),
        logs: installation.running.logs[0],
        installation: installation.running.credentials.clone(),
        database: installation.programs.database.clone(),
    });
    let before = Memory::now(installation).await?;
    let start = Instant::now();
    let numbers: Vec<u64> = (0..count).collect();
    let (tenants, mut failures) = all(&site, numbers, appended).await?;
    let appended = start.elapsed();
    let (searches, failed) = all(&site, tenants, searched).await?;
    let done = start.elapsed();
    failures.extend(failed);
    installation.opensearch.settled().await?;
    let after = Memory::now(installation).await?;
    let mut latencies: Vec<u32> = searches;
    latencies.sort_unstable();
    let times = Measured {
        latencies,
        ..Measured::default()
    };
    for failure in failures.iter().take(3) {
        progress(&format!("  {failure:#}"));
    }
    let name = format!("failures of {count} tenants with an index each on one OpenSearch node");
    let outcome = bench.report.outcome(precise(failures.len() as u64));
    bench
        .report
        .figure(&name, vec![outcome], Target::AtMost(0.0, ""));
    bench.report.note(format!(
        "{count} tenants of {ENTRIES} entries each were made and appended to in {} s, and all were found {} s \
         after the first was made. The last search of each took {} ms at p50 and {} ms at p99, the first of that \
         tenant. OpenSearch had {before} before and {after} after; the indexer-worker has {} MB.",
        number(appended.as_secs_f64()),
        number(done.as_secs_f64()),
        number(times.quantile(0.5)),
        number(times.quantile(0.99)),
        number(resident_memory(indexer.pid())?),
    ));
    Ok(())
}

/// Does something for each, a few at a time. What failed is counted, and ends nothing.
async fn all<I, O, F>(
    site: &Arc<Site>,
    inputs: Vec<I>,
    work: impl Fn(Arc<Site>, I) -> F,
) -> Result<(Vec<O>, Vec<anyhow::Error>)>
where
    O: Send + 'static,
    F: Future<Output = Result<O>> + Send + 'static,
{
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let mut running = JoinSet::new();
    let mut inputs = inputs.into_iter();
    loop {
        while (running.len() as u64) < AT_ONCE
            && let Some(input) = inputs.next()
        {
            running.spawn(work(Arc::clone(site), input));
        }
        match running.join_next().await {
            Some(outcome) => match outcome.context("a tenant's task ended early")? {
                Ok(output) => done.push(output),
                Err(error) => failed.push(error),
            },
            None => return Ok((done, failed)),
        }
    }
}

/// A tenant that has appended.
async fn appended(site: Arc<Site>, number: u64) -> Result<Tenant> {
    if number.is_multiple_of(OF_ONE_OPERATOR) {
        site.database.run("delete from auth.login_delays")?;
    }
    let operator = &site.installation.operator;
    let tenant = Tenant::create(&site.auth, operator, &format!("many-{number}")).await?;
    let writer = site.auth.service_token(&tenant.api_key).await?;
    let into = Into::One("default".to_owned());
    let mut request = Template::bulk(&writer.text, Ids::Server, &into, number, ENTRIES);
    let mut connection = Connection::open(site.logs).await?;
    let answer = connection.send(request.next()).await?;
    let text = String::from_utf8_lossy(answer.body);
    ensure!(answer.status == 201, "{}: {text}", tenant.code);
    Ok(tenant)
}

/// Waits for the index of a tenant and searches in it: the microseconds of the search.
async fn searched(site: Arc<Site>, tenant: Tenant) -> Result<u32> {
    let mut looks = 0;
    let trail = loop {
        let trail = trail(&site, &tenant).await?;
        let place = ("default", ENTRIES - 1);
        let found = trail.client.found(&trail.reader, place, "limit=1", LOOK);
        if found.await?.is_some() {
            break trail;
        }
        looks += 1;
        ensure!(looks < LOOKS, "{} is not indexed in time", tenant.code);
    };
    let start = Instant::now();
    let query = "q=monthly+run&action=invoice.*&limit=100";
    let path = format!("/api/v1/logs?partition=default&{query}");
    let page = trail.client.get(&path, &trail.reader).await?;
    let took = start.elapsed();
    let count = page["entries"].as_array().map(Vec::len);
    ensure!(
        count == usize::try_from(ENTRIES).ok(),
        "{} found {count:?}",
        tenant.code
    );
    Ok(u32::try_from(took.as_micros()).unwrap_or(u32::MAX))
}

async fn trail(site: &Site, tenant: &Tenant) -> Result<Trail> {
    let logs = Client::new(site.logs);
    tenant
        .trail(&site.auth, logs, &site.installation, "default")
        .await
}

/// Of OpenSearch.
struct Memory {
    heap: u64,
    resident: Option<f64>,
}

impl Memory {
    async fn now(installation: &mut Distributed) -> Result<Self> {
        let heap = installation.opensearch.heap().await?.used;
        let resident = installation
            .opensearch
            .pid
            .map(resident_memory)
            .transpose()?;
        Ok(Self { heap, resident })
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MB of its heap in use", self.heap / 1_000_000)?;
        match self.resident {
            Some(resident) => write!(f, " and {} MB resident", number(resident)),
            None => Ok(()),
        }
    }
}
