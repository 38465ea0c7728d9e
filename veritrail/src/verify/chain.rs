//! One chain, from its first hash to its head, in constant memory: each line's
//! document and parts by crate `chain`, and here the columns that are stored
//! beside them. It stops at the first thing that is wrong.

use anyhow::{Context as _, bail};
use chain::Chain;
use chain::verify::{Error, Verifier};
use indicatif::ProgressBar;
use serde::Deserialize;

use super::lines::Lines;
use super::{Finding, Verdict};
use crate::client::Client;

/// What is stored of an entry beside its texts.
#[derive(Deserialize)]
struct Columns {
    generation: i64,
    seq: i64,
    received_at: String,
    id: uuid::Uuid,
    hash: String,
    /// Whether the column has a value.
    salt: bool,
    residue: bool,
    indexed: Option<IdRow>,
}

/// The id table's row of the entry.
#[derive(PartialEq, Eq, Deserialize)]
struct IdRow {
    id: uuid::Uuid,
    partition: String,
    generation: i64,
    seq: i64,
    received_at: String,
}

/// The chain's row.
#[derive(Deserialize)]
struct Head {
    generation: i64,
    size: u64,
    hash: String,
    received_at: Option<String>,
}

/// The row could not be put into evidence form.
#[derive(Deserialize)]
struct Corrupt {
    seq: i64,
    column: String,
    message: String,
}

/// A line, beside what crate `chain` reads of it.
#[derive(Deserialize)]
struct Line {
    columns: Option<Columns>,
    corrupt: Option<Corrupt>,
    #[serde(default, deserialize_with = "last")]
    head: Last,
}

/// Whether the line is the last one, which has the chain's row, if there is one.
#[derive(Default)]
enum Last {
    #[default]
    No,
    Yes(Option<Head>),
}

fn last<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Last, D::Error> {
    Option::deserialize(deserializer).map(Last::Yes)
}

/// How a stream of lines ended.
enum End {
    /// With the chain's head.
    Head(Option<Head>),
    Found(Finding),
    /// Early: a token that ended, a server that stopped, a row that nobody can read.
    Broken(anyhow::Error),
}

/// Follows one chain.
pub(super) struct Walk<'a> {
    client: &'a Client,
    chain: Chain,
    verifier: Verifier,
    bar: ProgressBar,
}

impl<'a> Walk<'a> {
    pub(super) fn new(client: &'a Client, chain: Chain, bar: ProgressBar) -> Self {
        Self {
            client,
            verifier: Verifier::new(chain.clone()),
            chain,
            bar,
        }
    }

    /// Entries that were recomputed so far.
    fn reached(&self) -> u64 {
        self.verifier.head().map_or(0, |head| head.size)
    }

    /// # Errors
    /// It could not be seen to the end.
    pub(super) async fn run(mut self) -> anyhow::Result<Verdict> {
        loop {
            let before = self.reached();
            match self.stream(before).await? {
                End::Head(head) => {
                    let finding = self.compare(head);
                    return Ok(self.verdict(finding));
                }
                End::Found(finding) => return Ok(self.verdict(Some(finding))),
                // Long chains outlive a token: go on where it broke off.
                End::Broken(_) if self.reached() > before => {}
                End::Broken(error) => {
                    // The server may know why it cannot go on from here.
                    let Some(finding) = self.ask().await? else {
                        return Err(error);
                    };
                    return Ok(self.verdict(Some(finding)));
                }
            }
        }
    }

    fn verdict(&self, finding: Option<Finding>) -> Verdict {
        let head = self.verifier.head();
        Verdict {
            partition: self.chain.partition.clone(),
            generation: self.chain.generation,
            entries: self.reached(),
            hash: head.map_or_else(String::new, |head| head.hash.to_string()),
            finding,
        }
    }

    fn found(&self, seq: impl TryInto<i64>, place: &str, message: impl Into<String>) -> Finding {
        Finding {
            partition: self.chain.partition.clone(),
            seq: seq.try_into().ok(),
            place: place.to_owned(),
            message: message.into(),
        }
    }

    /// Reads lines from `from` on until they end or something is wrong.
    async fn stream(&mut self, from: u64) -> anyhow::Result<End> {
        let mut url = self.client.url(&format!(
            "api/v1/partitions/{}/evidence",
            self.chain.partition
        ))?;
        url.query_pairs_mut()
            .append_pair("from", &from.to_string())
            .append_pair("columns", "true");
        let mut lines = Lines::new(self.client.get(url).await?);
        loop {
            let line = match lines.next().await {
                Ok(Some(line)) => line,
                Ok(None) => {
                    return Ok(End::Broken(anyhow::anyhow!(
                        "the evidence ends without the chain's head"
                    )));
                }
                Err(error) => return Ok(End::Broken(error)),
            };
            let beside: Line = serde_json::from_slice(&line)
                .context("a line of the evidence is no JSON object")?;
            if let Last::Yes(head) = beside.head {
                return Ok(End::Head(head));
            }
            if let Some(finding) = self.entry(&line, beside)? {
                return Ok(End::Found(finding));
            }
            self.bar.inc(1);
        }
    }

    /// The next entry; what is wrong with it.
    fn entry(&mut self, line: &[u8], beside: Line) -> anyhow::Result<Option<Finding>> {
        if let Some(Corrupt {
            seq,
            column,
            message,
        }) = beside.corrupt
        {
            return Ok(Some(self.found(seq, &column, message)));
        }
        let Some(columns) = beside.columns else {
            bail!("a line of the evidence has no columns")
        };
        let verified = match self.verifier.line(line) {
            Ok(verified) => verified,
            Err(Error::UnknownVersion { seq, version }) => {
                bail!("entry {seq} has format version {version}, which this program does not know")
            }
            Err(Error::Wrong {
                seq,
                place,
                message,
            }) => {
                // Where another row stands, its own number says more than the missing one's.
                let message = match columns.seq {
                    there if there == seq.cast_signed() => message,
                    there => format!("{message}: row {there} stands here"),
                };
                return Ok(Some(self.found(seq, &place, message)));
            }
        };
        // Seqs stay below 2^53.
        let (seq, id) = (verified.seq.cast_signed(), verified.id);
        let hash = verified.hash.to_string();
        let generation = i64::from(self.chain.generation);
        let received_at = verified.received_at.to_string();
        let withheld = verified.withheld;
        let personal = verified.parts > 0;
        let expected = IdRow {
            id,
            partition: self.chain.partition.clone(),
            generation,
            seq,
            received_at: received_at.clone(),
        };
        let wrong = |place: &str, message: &str| Ok(Some(self.found(seq, place, message)));
        if columns.hash != hash {
            return wrong("hash", "not the hash of the entry");
        }
        if columns.id != id {
            return wrong("id", "not the id in the event");
        }
        if columns.seq != seq {
            return wrong("seq", "not the entry's place in its chain");
        }
        if columns.received_at != received_at {
            return wrong("received_at", "not the time in the document");
        }
        if columns.generation != generation {
            return wrong("generation", "not that of the chain");
        }
        if columns.residue || !withheld.is_empty() {
            return wrong(
                "parts",
                &format!("erased without authorisation: {}", withheld.join(", ")),
            );
        }
        if columns.salt != personal {
            return wrong("salt", if personal { "missing" } else { "salts nothing" });
        }
        match columns.indexed {
            Some(row) if row == expected => Ok(None),
            Some(_) => wrong("entry_ids", "the id table has another place for this id"),
            None => wrong("entry_ids", "the id table does not know this id"),
        }
    }

    /// The lines ended: so must the chain's row say.
    fn compare(&self, head: Option<Head>) -> Option<Finding> {
        let reached = self.verifier.head()?;
        let Some(head) = head else {
            return (reached.size > 0).then(|| self.found(0, "chains", "the chain's row is gone"));
        };
        if head.generation != i64::from(self.chain.generation) {
            return Some(self.found(
                reached.size,
                "chains",
                "the chain's row has another generation",
            ));
        }
        if head.size > reached.size {
            let message = format!("missing: the chain's row says {} entries", head.size);
            return Some(self.found(reached.size, "entries", message));
        }
        if head.size < reached.size {
            let message = format!("beyond the end: the chain's row says {} entries", head.size);
            return Some(self.found(head.size, "entries", message));
        }
        let last = reached.size.checked_sub(1);
        let seq = last.and_then(|last| i64::try_from(last).ok());
        let mut finding = self.found(0, "chains", "");
        finding.seq = seq;
        if head.hash != reached.hash.to_string() {
            "the chain's row has another hash than its last entry".clone_into(&mut finding.message);
            return Some(finding);
        }
        let received_at = last.map(|_| reached.received_at.to_string());
        if head.received_at != received_at {
            "the chain's row has another time than its last entry".clone_into(&mut finding.message);
            return Some(finding);
        }
        None
    }

    /// Lets the server say what is wrong where its evidence ends.
    async fn ask(&self) -> anyhow::Result<Option<Finding>> {
        #[derive(Deserialize)]
        struct Report {
            finding: Option<Told>,
        }
        #[derive(Deserialize)]
        struct Told {
            seq: i64,
            place: String,
            message: String,
        }
        let mut url = self.client.url(&format!(
            "api/v1/partitions/{}/verify",
            self.chain.partition
        ))?;
        url.query_pairs_mut()
            .append_pair("from", &self.reached().to_string());
        let report: Report = self.client.get_json(url).await?;
        let told = report
            .finding
            .map(|told| self.found(told.seq, &told.place, told.message));
        Ok(told)
    }
}
