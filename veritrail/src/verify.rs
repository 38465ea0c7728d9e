//! `veritrail verify`: everything recomputed here, from the exact texts that the
//! server gives out, and compared with everything that is stored. It believes
//! nothing that it can compute, and says "could not" rather than "good" about
//! what it did not see to the end.

mod chain;
mod lines;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use self::chain::Walk;
use crate::client::{Client, Purpose, Refused};
use crate::config;
use crate::partitions::{self, Chain};
use crate::print::{self, Output, Style, grouped};
use crate::profile::Place;

/// Something that is not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) partition: String,
    /// `None` where no entry can be named.
    pub(crate) seq: Option<i64>,
    /// The column or member that is wrong.
    pub(crate) place: String,
    pub(crate) message: String,
}

/// What became of a partition.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    partition: String,
    generation: u32,
    /// Entries recomputed.
    entries: u64,
    /// Hash of the last of them.
    hash: String,
    finding: Option<Finding>,
}

pub(crate) async fn run(config: config::Verify, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&config.connection, Purpose::Read)?;
    let listing = partitions::list(&client).await?;
    let identity = Identity::learn(&config, listing.origin.clone(), listing.tenant.clone())?;
    let mut chosen = listing.partitions;
    let mut unchained = listing.unchained;
    if let Some(wanted) = &config.partition {
        chosen.retain(|chain| chain.partition == *wanted);
        unchained.retain(|name| name == wanted);
        if chosen.is_empty() && unchained.is_empty() {
            bail!("there is no partition {wanted}");
        }
    }
    let bar = output.progress(chosen.iter().map(|chain| chain.size).sum(), "recomputing");
    let mut seen = Seen::default();
    for chain in &chosen {
        bar.set_message(chain.partition.clone());
        match Walk::new(&client, identity.chain(chain), bar.clone())
            .run()
            .await
        {
            Ok(verdict) => {
                bar.suspend(|| tell(output, &verdict))?;
                seen.findings.extend(verdict.finding);
            }
            Err(error) => {
                let what = format!("partition {}", chain.partition);
                bar.suspend(|| seen.missed(output, &what, error))?;
            }
        }
    }
    bar.finish_and_clear();
    let mut loose = loose(unchained);
    if config.partition.is_none() {
        match unclaimed(&client).await {
            Ok(ids) => loose.extend(ids),
            Err(error) => seen.missed(output, "the ids", error)?,
        }
    }
    for finding in loose {
        output.value(&finding)?;
        output.say(&describe(output, &finding))?;
        seen.findings.push(finding);
    }
    seen.conclude(output, chosen.len())
}

/// What was found, and what could not be looked at.
#[derive(Default)]
struct Seen {
    findings: Vec<Finding>,
    missed: Vec<String>,
}

impl Seen {
    /// One part that the server cannot give out hides nothing of the others; a
    /// server that does not answer will not answer for them either.
    fn missed(&mut self, output: Output, what: &str, error: anyhow::Error) -> anyhow::Result<()> {
        let error = error.context(format!("cannot verify {what}"));
        if !error.is::<Refused>() {
            return Err(error);
        }
        let error = format!("{error:#}");
        output.value(&serde_json::json!({"error": error}))?;
        output.note(&format!("{} {error}", output.paint(Style::Bad, "?")));
        self.missed.push(error);
        Ok(())
    }

    fn conclude(self, output: Output, chains: usize) -> anyhow::Result<ExitCode> {
        let Self { findings, missed } = self;
        let good = findings.is_empty() && missed.is_empty();
        output.value(&serde_json::json!({"good": good, "findings": findings, "errors": missed}))?;
        if !findings.is_empty() {
            let bad = "TAMPERED: what is stored is not what was recorded";
            output.say(&output.paint(Style::Bad, bad))?;
            return Ok(ExitCode::from(print::TAMPERED));
        }
        if !missed.is_empty() {
            output.say(&output.paint(Style::Warning, "not everything could be verified"))?;
            return Ok(ExitCode::from(print::COULD_NOT));
        }
        let good = format!("everything is what was recorded, in {chains} partitions");
        output.say(&output.paint(Style::Good, &good))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the first hash of a chain contains beside the partition's name.
struct Identity {
    origin: String,
    tenant: String,
}

impl Identity {
    /// As told, as remembered from the login, or else as the server says now: a
    /// server that is asked could say what suits it, so the login's word counts more.
    fn learn(
        config: &config::Verify,
        origin: Option<String>,
        tenant: Option<String>,
    ) -> anyhow::Result<Self> {
        let remembered = Place::named(&config.connection.profile)?.read()?;
        let (kept_origin, kept_tenant) = remembered
            .map(|profile| (profile.origin, profile.tenant))
            .unwrap_or_default();
        let origin = config.origin.clone().or(kept_origin).or(origin);
        let tenant = config.tenant.clone().or(kept_tenant).or(tenant);
        Ok(Self {
            origin: origin.context("whose chain? name the installation's origin with --origin")?,
            tenant: tenant.context("whose chain? name the tenant's code with --tenant")?,
        })
    }

    fn chain(&self, chain: &Chain) -> ::chain::Chain {
        ::chain::Chain {
            origin: self.origin.clone(),
            tenant: self.tenant.clone(),
            partition: chain.partition.clone(),
            generation: chain.generation,
        }
    }
}

/// Entries whose chain is gone.
fn loose(unchained: Vec<String>) -> Vec<Finding> {
    let finding = |partition| Finding {
        partition,
        seq: None,
        place: "chains".to_owned(),
        message: "the chain's row is gone, or is none that a chain can have".to_owned(),
    };
    unchained.into_iter().map(finding).collect()
}

#[derive(Deserialize)]
struct Unclaimed {
    ids: Vec<Row>,
    next: Option<uuid::Uuid>,
}

#[derive(Deserialize)]
struct Row {
    id: uuid::Uuid,
    partition: String,
    seq: i64,
}

/// Rows of the id table whose entry is gone.
async fn unclaimed(client: &Client) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut after = None;
    loop {
        let mut url = client.url("api/v1/ids/unclaimed")?;
        if let Some(after) = after {
            url.query_pairs_mut()
                .append_pair("after", &format!("{after}"));
        }
        let page: Unclaimed = client.get_json(url).await?;
        findings.extend(page.ids.into_iter().map(|row| Finding {
            partition: row.partition,
            seq: Some(row.seq),
            place: "entry_ids".to_owned(),
            message: format!("the id {} belongs to no entry", row.id),
        }));
        after = page.next;
        if after.is_none() {
            return Ok(findings);
        }
    }
}

fn tell(output: Output, verdict: &Verdict) -> anyhow::Result<()> {
    output.value(verdict)?;
    if let Some(finding) = &verdict.finding {
        return output.say(&describe(output, finding));
    }
    let Verdict {
        partition,
        entries,
        hash,
        ..
    } = verdict;
    let good = output.paint(Style::Good, "✓");
    let head = output.paint(Style::Dim, hash);
    output.say(&format!(
        "{good} {partition:<24} {:>12} entries  {head}",
        grouped(*entries)
    ))
}

fn describe(output: Output, finding: &Finding) -> String {
    let Finding {
        partition,
        seq,
        place,
        message,
    } = finding;
    let bad = output.paint(Style::Bad, "✗");
    let seq = seq.map_or_else(String::new, |seq| format!(" seq {seq}"));
    format!("{bad} {partition}{seq}: {place}: {message}")
}
