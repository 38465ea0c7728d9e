//! Memory of an export-worker, a process of its own, while it exports millions of entries to S3: the most
//! above what it has when it is idle, and the most in each tenth of the export, since it must not grow
//! with the file.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use ::system::{Installation, Servers, Shape, Wanted, Way};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::interval;

use super::Bench;
use crate::check::Trail;
use crate::client::Client;
use crate::config::Row;
use crate::cpu::resident_memory;
use crate::database::Database;
use crate::load::precise;
use crate::preload::{self, Content};
use crate::report::{Target, progress};
use crate::system::{Credentials, System};
use crate::template::Ids;

/// Between two looks at the memory of the process.
const LOOK: Duration = Duration::from_millis(50);
/// Looks from one question about the job to the next.
const ASK: usize = 20;
/// Looks for which a token lasts, with time to spare.
const TOKEN: usize = 6_000;
const TENTHS: usize = 10;
/// Room for an entry in PostgreSQL, and twice for its line in a LocalStack that puts a file together of parts.
const BYTES: u64 = 3_600;

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    if !bench.config.wants(Row::ExportMemory) {
        return Ok(());
    }
    let config = bench.config;
    let (Some(localstack), Some(opensearch)) = (&config.localstack_url, &config.opensearch_url)
    else {
        let named = config.names(Row::ExportMemory);
        ensure!(!named, "this row needs LOCALSTACK_URL and OPENSEARCH_URL");
        let left_out =
            "Left out, since LOCALSTACK_URL or OPENSEARCH_URL is not set: the row `export-memory`.";
        progress(left_out);
        bench.report.note(left_out);
        return Ok(());
    };
    progress("memory of an export-worker");
    bench.room(config.exported_by_worker * BYTES, "--exported-by-worker")?;
    let folder = super::folder(&bench.scratch, "export-memory")?;
    // For its PostgreSQL alone.
    let system = System::start_with(&bench.programs, &folder, &["--no-index"]).await?;
    let servers = Servers {
        database_url: system.database()?.url().to_owned(),
        localstack_url: localstack.as_str().trim_end_matches('/').to_owned(),
        opensearch_url: opensearch.as_str().trim_end_matches('/').to_owned(),
    };
    let mut installation = start(&servers, &folder).await?;
    let measured = row(bench, &mut installation).await;
    let stopped = installation.stop().await;
    let removed = installation.remove().await;
    let ended = system.stop().await;
    measured.and(stopped).and(removed).and(ended)?;
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// One log-service and one export-worker; nothing is indexed.
async fn start(servers: &Servers, folder: &Path) -> Result<Installation> {
    let wanted = Wanted {
        way: Way::Distributed(Shape {
            log_services: 1,
            indexer_workers: 0,
            export_workers: 1,
        }),
        name: &format!("bench-export-{}", std::process::id()),
        folder,
        servers,
        listen: ([127, 0, 0, 1], 0).into(),
        log: "info",
    };
    Installation::start(&wanted).await
}

async fn row(bench: &mut Bench<'_>, installation: &mut Installation) -> Result<()> {
    let worker = installation.member("export-worker", 0).pid();
    let worker = worker.context("export-worker runs")?;
    let count = bench.config.exported_by_worker;
    let trail = trail(installation, "default").await?;
    let database = Database::new(&installation.database_url)?;
    let content = Content::alike();
    let names = preload::fill(&trail, &database, (count, count), Ids::V7, content).await?;

    let idle = resident_memory(worker)?;
    let start = Instant::now();
    let (looks, job) = export(installation, worker, &names[0]).await?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(job["state"] == "finished", "it did not finish: {job}");
    ensure!(job["result"]["rows"] == count, "not all entries: {job}");

    let tenths: Vec<_> = looks
        .chunks(looks.len().div_ceil(TENTHS))
        .map(|some| some.iter().copied().fold(0.0, f64::max))
        .collect();
    let most = tenths.iter().copied().fold(0.0, f64::max);
    bench.report.begin();
    let outcome = bench.report.outcome(most - idle);
    let name =
        format!("memory of an export-worker above idle (most) while it exports {count} rows, MB");
    let target = Target::AtMost(64.0, " MB");
    bench.report.figure(&name, vec![outcome], target);
    let tenths: Vec<_> = tenths.iter().map(|most| format!("{most:.1}")).collect();
    bench.report.note(format!(
        "The export-worker had {idle:.1} MB resident when idle, and in the tenths of its export at most {} MB. Of a file of \
         {:.0} MB of CSV it wrote {:.0} rows/s.",
        tenths.join(", "),
        job["result"]["bytes"].as_f64().context("bytes of the file")? / 1e6,
        precise(count) / seconds,
    ));
    Ok(())
}

/// Exports a partition; what the worker had resident at each look until it was done, and the job then.
async fn export(
    installation: &Installation,
    worker: u32,
    partition: &str,
) -> Result<(Vec<f64>, Value)> {
    let mut open = trail(installation, partition).await?;
    let asked = json!({"format": "csv", "partitions": [partition]});
    let path = "/api/v1/exports";
    let mut job = open.client.post(path, &open.reader, &asked).await?;
    let path = format!("{path}/{}", job["id"].as_str().context("a job's id")?);
    let (mut every, mut looks) = (interval(LOOK), Vec::new());
    while matches!(job["state"].as_str(), Some("queued" | "running")) {
        every.tick().await;
        looks.push(resident_memory(worker)?);
        if looks.len().is_multiple_of(TOKEN) {
            open = trail(installation, partition).await?;
        }
        if looks.len().is_multiple_of(ASK) {
            job = open.client.get(&path, &open.reader).await?;
        }
    }
    if looks.len() < TENTHS * ASK {
        bail!("too short to say anything: {} looks", looks.len());
    }
    Ok((looks, job))
}

/// The first tenant's trail.
async fn trail(installation: &Installation, partition: &str) -> Result<Trail> {
    let credentials: Credentials = serde_json::from_value(installation.credentials.clone())?;
    let address = installation.url.trim_start_matches("http://");
    let client = Client::new(address.parse::<SocketAddr>()?);
    Trail::open(&client, client.clone(), &credentials, partition).await
}
