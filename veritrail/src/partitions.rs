//! `veritrail partitions`: the tenant's chains with sizes and heads.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::client::{Client, Purpose};
use crate::config;
use crate::print::{Output, Style, grouped};

/// A partition's chain as its head row has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) partition: String,
    pub(crate) generation: u32,
    pub(crate) size: u64,
    pub(crate) hash: String,
    pub(crate) received_at: Option<String>,
}

/// All of a tenant's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) partitions: Vec<Chain>,
    /// Names that rows bear and no chain has.
    #[serde(default)]
    pub(crate) unchained: Vec<String>,
    /// What the first hash of each chain contains, as the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
}

pub(crate) async fn list(client: &Client) -> anyhow::Result<Listing> {
    client.get_json(client.url("api/v1/partitions")?).await
}

pub(crate) async fn run(config: config::Partitions, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&config.connection, Purpose::Read)?;
    let listing = list(&client).await?;
    output.value(&listing)?;
    let rows: Vec<Vec<String>> = listing
        .partitions
        .iter()
        .map(|partition| {
            let last = partition.received_at.as_deref().unwrap_or("never");
            let size = format!("{:>10}", grouped(partition.size));
            vec![
                partition.partition.clone(),
                size,
                last.to_owned(),
                partition.hash.clone(),
            ]
        })
        .collect();
    output.table(&["PARTITION", "   ENTRIES", "LAST RECEIVED", "HEAD"], &rows)?;
    for name in &listing.unchained {
        let warning = format!("{name}: entries without a chain; run `veritrail verify`");
        output.note(&output.paint(Style::Bad, &warning));
    }
    Ok(ExitCode::SUCCESS)
}
