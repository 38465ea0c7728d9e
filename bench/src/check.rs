//! That what was acknowledged is there: the number of entries, each seq once, and for a sample
//! the hash, recomputed here from what was posted and from the evidence.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use chain::{Entry, Hash, Recorder};
use search::VISIBLE;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::client::{Client, Token};
use crate::database::Database;
use crate::load::{Measured, Sample};
use crate::system::Credentials;

/// Who posted, who may read the evidence, and where.
pub(crate) struct Trail {
    pub(crate) client: Client,
    pub(crate) writer: Token,
    pub(crate) reader: Token,
    pub(crate) chain: chain::Chain,
    /// Asked for the size of the chain, which says more than the service about itself.
    pub(crate) database: Database,
}

#[derive(Deserialize)]
struct Receipt {
    id: uuid::Uuid,
    seq: u64,
    hash: String,
    previous: String,
}

impl Trail {
    /// The trail of the first tenant's service account in one partition. Tokens last for 15
    /// minutes, so each round opens it again.
    pub(crate) async fn open(
        auth: &Client,
        logs: Client,
        credentials: &Credentials,
        partition: &str,
    ) -> Result<Self> {
        let writer = auth.service_token(&credentials.service.api_key).await?;
        let reader = auth
            .login(Some(&credentials.tenant), &credentials.admin)
            .await?;
        let chain = chain::Chain {
            origin: credentials.origin.clone(),
            tenant: credentials.tenant.clone(),
            partition: partition.to_owned(),
            generation: 1,
        };
        Ok(Self {
            client: logs,
            writer,
            reader,
            chain,
            database: Database::new(&credentials.database_url)?,
        })
    }

    pub(crate) fn tenant(&self) -> Result<uuid::Uuid> {
        let tenant = self.writer.tenant_id.as_deref();
        Ok(tenant.context("a writer of a tenant")?.parse()?)
    }

    /// Number of entries now.
    pub(crate) fn size(&self) -> Result<u64> {
        let tenant = self.tenant()?;
        let size = self.database.run(&format!(
            "select coalesce(sum(size), 0)::int8 from ledger.chains
              where tenant = '{tenant}' and partition = '{}'",
            self.chain.partition
        ))?;
        Ok(size.parse()?)
    }

    /// Number of entries that the index finds now.
    pub(crate) fn visible(&self) -> Result<u64> {
        let tenant = self.tenant()?;
        let visible = self.database.run(&format!(
            "select coalesce(sum(next), 0)::int8 from ledger.cursors
              where follower = '{VISIBLE}' and tenant = '{tenant}' and partition = '{}'",
            self.chain.partition
        ))?;
        Ok(visible.parse()?)
    }

    /// Checks a measurement that alone wrote to this chain, which had `before` entries.
    pub(crate) async fn check(&self, before: u64, all: &[&Measured]) -> Result<()> {
        let acknowledged: u64 = all.iter().map(|measured| measured.acknowledged).sum();
        let after = self.size()?;
        ensure!(
            after - before == acknowledged,
            "{acknowledged} entries were acknowledged and {} are there",
            after - before
        );
        let mut seqs: Vec<u64> = all
            .iter()
            .flat_map(|measured| &measured.seqs)
            .copied()
            .collect();
        seqs.sort_unstable();
        let whole = seqs.iter().copied().eq(before..after);
        ensure!(
            seqs.is_empty() || whole,
            "the receipts' seqs have a gap or one of them twice"
        );
        for measured in all {
            for sample in &measured.samples {
                self.recompute(sample).await?;
            }
        }
        Ok(())
    }

    /// Recomputes the hash in a receipt from the evidence, and the evidence from what was posted.
    async fn recompute(&self, sample: &Sample) -> Result<()> {
        let receipt: Receipt = serde_json::from_slice(&sample.receipt).context("a receipt")?;
        let seq = receipt.seq;
        let line = self
            .client
            .evidence(&self.chain.partition, seq, seq + 1, &self.reader)
            .await?;
        let mut verifier = chain::verify::Verifier::starting_at(self.chain.clone(), seq);
        let verified = verifier
            .line(&line)
            .with_context(|| format!("evidence of {seq}"))?;
        let digest = Sha256::new()
            .chain_update([0])
            .chain_update(verified.document)
            .finalize();
        ensure!(
            Hash(digest.into()).to_string() == receipt.hash,
            "entry {seq} has another hash"
        );
        let previous = format!(r#""previous":"{}""#, receipt.previous);
        ensure!(
            verified.document.contains(&previous),
            "entry {seq} has another previous"
        );

        let recorder = Recorder {
            kind: &self.writer.kind,
            id: &self.writer.subject,
        };
        let entry = match Entry::parse(&sample.posted, recorder, receipt.id) {
            Ok(entry) => entry,
            Err(faults) => bail!("the bench posted a malformed entry: {faults:?}"),
        };
        let event = format!(r#"{{"event":{},"#, entry.event());
        ensure!(
            verified.document.starts_with(&event),
            "entry {seq} is not what was posted"
        );
        let parts: HashMap<String, serde_json::Value> =
            serde_json::from_str(entry.parts().unwrap_or("{}"))?;
        let stored: serde_json::Value = serde_json::from_slice(&line)?;
        for (name, value) in parts {
            let text = stored["parts"][&name]["text"]
                .as_str()
                .context("a part is missing")?;
            let given: serde_json::Value = serde_json::from_str(text)?;
            ensure!(
                given == value,
                "part {name} of entry {seq} is not what was posted"
            );
        }
        Ok(())
    }
}
