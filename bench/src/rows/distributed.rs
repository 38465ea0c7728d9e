//! The rows that need an OpenSearch: Veritrail as programs of their own on it, one after the other on
//! the same installation.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Bench, LOOK, index, search, tenants};
use crate::check::Trail;
use crate::config::Row;
use crate::cpu::Watch;
use crate::opensearch::OpenSearch;
use crate::preload::{self, Content};
use crate::programs::{Index, Indexer, Programs, Running};
use crate::report::progress;
use crate::system::{self, System};
use crate::template::Ids;
use crate::tenants::Tenant;

/// From one look at an index that is being made to the next.
const MADE: Duration = Duration::from_millis(250);
const ROWS: [Row; 3] = [Row::Index, Row::Search, Row::Tenants];

/// An installation on OpenSearch. No indexer-worker runs unless a row starts one.
pub(super) struct Distributed {
    /// Only for its PostgreSQL; it idles while the programs are measured.
    pub(super) system: System,
    pub(super) programs: Programs,
    pub(super) running: Running,
    pub(super) opensearch: OpenSearch,
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    if !ROWS.into_iter().any(|row| bench.config.wants(row)) {
        return Ok(());
    }
    let Some(url) = bench.config.opensearch_url.clone() else {
        let named = ROWS.into_iter().any(|row| bench.config.names(row));
        ensure!(!named, "OPENSEARCH_URL is not set, and this row needs it");
        let left_out =
            "Left out, since OPENSEARCH_URL is not set: the rows `index`, `search` and `tenants`.";
        progress(left_out);
        bench.report.note(left_out.to_owned());
        return Ok(());
    };
    let opensearch = OpenSearch::open(&url).await?;
    let folder = super::folder(&bench.scratch, "distributed")?;
    let system = System::start(&bench.programs, &folder).await?;
    let prefix = format!("bench-{}", std::process::id());
    let programs = Programs {
        folder: bench.programs.clone(),
        scratch: folder.clone(),
        database: system.database()?.made("distributed")?,
        logs: 1,
        index: Some(Index { url, prefix }),
    };
    let running = programs.start().await?;
    let mut installation = Distributed {
        system,
        programs,
        running,
        opensearch,
    };
    let measured = rows(bench, &mut installation).await;
    let cleaned = installation.clean().await;
    let stopped = installation.stop().await;
    measured.and(cleaned).and(stopped)?;
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// In an order in which none spoils the next: the one with thousands of indices comes last.
async fn rows(bench: &mut Bench<'_>, installation: &mut Distributed) -> Result<()> {
    let heap = installation.opensearch.heap().await?;
    bench.report.condition(format!(
        "OpenSearch {} with a heap of {} MiB, one node on the same machine",
        installation.opensearch.version,
        heap.most >> 20
    ));
    if bench.config.wants(Row::Index) {
        index::measure(bench, installation).await?;
    }
    if bench.config.wants(Row::Search) {
        search::measure(bench, installation).await?;
    }
    if bench.config.wants(Row::Tenants) {
        tenants::measure(bench, installation).await?;
    }
    Ok(())
}

impl Distributed {
    /// The processes of the installation, with those of an indexer-worker.
    pub(super) fn watch(&self, indexer: Option<&Indexer>) -> Watch {
        let mut services = self.running.pids();
        services.extend(indexer.map(Indexer::pid));
        Watch {
            services,
            opensearch: self.opensearch.pid,
            ..self.system.watch()
        }
    }

    /// Where the installation's documents are, for requests that are made here.
    pub(super) fn settings(&self) -> Result<::search::Settings> {
        let index = self.programs.index.clone().context("an index")?;
        let mut settings = ::search::Settings::of(index.url);
        settings.prefix = index.prefix;
        Ok(settings)
    }

    /// A new tenant with so many varied entries in one partition, none of them indexed, and the trail
    /// of that partition.
    pub(super) async fn filled(&self, code: &str, count: u64) -> Result<(Tenant, Trail)> {
        let tenant = self.running.tenant(code).await?;
        let trail = self.running.trail_of(&tenant, "default").await?;
        let database = &self.programs.database;
        let names =
            preload::fill(&trail, database, (count, count), Ids::V7, Content::varied()).await?;
        ensure!(names.len() == 1, "more than one chain");
        let trail = self.running.trail_of(&tenant, &names[0]).await?;
        ensure!(
            trail.size()? == count,
            "the chain is not as long as it was made"
        );
        Ok((tenant, trail))
    }

    /// Waits until the index has all entries of a tenant's trail, for a time that grows with their number.
    pub(super) async fn indexed(&self, tenant: &Tenant, trail: &Trail) -> Result<()> {
        let size = trail.size()?;
        let within = LOOK + Duration::from_millis(2) * u32::try_from(size)?;
        let deadline = Instant::now() + within;
        let partition = trail.chain.partition.as_str();
        let mut reader = trail.reader.clone();
        loop {
            let place = (partition, size - 1);
            let found = trail.client.found(&reader, place, "limit=1", LOOK);
            if found.await?.is_some() {
                if trail.visible()? == size {
                    return Ok(());
                }
                // The index is being made and cannot be asked: the ledger has answered.
                tokio::time::sleep(MADE).await;
            }
            ensure!(
                Instant::now() < deadline,
                "{size} entries are not indexed in time"
            );
            // Tokens do not last for all of it.
            reader = self.running.trail_of(tenant, partition).await?.reader;
        }
    }

    /// That no entry of the installation was passed over.
    pub(super) fn nothing_left_out(&self) -> Result<()> {
        let count = self
            .programs
            .database
            .run("select count(*) from ledger.unindexed")?;
        ensure!(count == "0", "{count} entries were not indexed");
        Ok(())
    }

    /// That log-service never had to do without the index.
    pub(super) fn asked_its_index(&self) -> Result<()> {
        system::asked_its_index(&self.programs.scratch.join("log-1.log"))
    }

    async fn clean(&mut self) -> Result<()> {
        let prefix = self.settings()?.prefix;
        self.opensearch.remove(&prefix).await
    }

    async fn stop(self) -> Result<()> {
        let stopped = self.running.stop().await;
        stopped.and(self.system.stop().await)
    }
}
