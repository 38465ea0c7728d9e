//! From posted texts to receipts: ids made here, so that every request may be
//! repeated; batches of one partition; what the server refuses set aside by
//! name and the rest appended. It never reorders entries.

mod object;

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

pub(crate) use self::object::with_id;
use crate::client::{Client, Refused};

/// The server's limits for one request, with room for its braces.
pub(crate) const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;
const ENTRY_BYTES: usize = 1 << 20;

/// What the server says of an entry that it keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) id: uuid::Uuid,
    pub(crate) partition: String,
    pub(crate) seq: u64,
    pub(crate) received_at: String,
    pub(crate) hash: String,
    pub(crate) previous: String,
    /// It had been there.
    #[serde(default)]
    pub(crate) repeated: bool,
}

#[derive(Deserialize)]
struct Receipts {
    receipts: Vec<Receipt>,
}

/// An entry to post.
#[derive(Debug)]
pub(crate) struct Posted {
    /// Where it comes from, for people: `line 17`.
    pub(crate) source: String,
    /// A JSON object with an `id`.
    pub(crate) text: String,
    /// `None`: the default one.
    pub(crate) partition: Option<String>,
}

/// An entry that can never be appended, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Rejected {
    pub(crate) source: String,
    pub(crate) reason: String,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) rejected: Vec<Rejected>,
}

/// Entries of one partition that go in one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    entries: Vec<Posted>,
    bytes: usize,
}

impl Batch {
    /// Takes the entry, or gives it back when it belongs into the next batch.
    pub(crate) fn push(&mut self, entry: Posted) -> Result<(), Posted> {
        let full = self.entries.len() >= BATCH || self.bytes + entry.text.len() > BATCH_BYTES;
        let other = self
            .entries
            .first()
            .is_some_and(|first| first.partition != entry.partition);
        if !self.entries.is_empty() && (full || other) {
            return Err(entry);
        }
        self.bytes += entry.text.len() + 1;
        self.entries.push(entry);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends what can be appended, in order. Entries that the server names in
    /// a refusal are set aside and the rest is sent again, all of it with the
    /// same ids.
    pub(crate) async fn post(mut self, client: &Client) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        self.set_aside(&mut outcome, |entry| {
            let long = entry.text.len() > ENTRY_BYTES;
            long.then(|| format!("{} bytes are more than an entry may have", entry.text.len()))
        });
        while !self.entries.is_empty() {
            match self.send(client).await {
                Ok(receipts) if receipts.len() == self.entries.len() => {
                    outcome.receipts = receipts;
                    return Ok(outcome);
                }
                Ok(receipts) => bail!(
                    "{} receipts for {} entries",
                    receipts.len(),
                    self.entries.len()
                ),
                Err(error) => {
                    let named = error
                        .downcast_ref::<Refused>()
                        .map(places)
                        .unwrap_or_default();
                    if named.is_empty() {
                        return Err(error);
                    }
                    let mut index = 0..;
                    self.set_aside(&mut outcome, |_| {
                        let index = index.next()?;
                        let reasons: Vec<&str> = named
                            .iter()
                            .filter(|(at, _)| *at == index)
                            .map(|(_, why)| why.as_str())
                            .collect();
                        (!reasons.is_empty()).then(|| reasons.join("; "))
                    });
                }
            }
        }
        Ok(outcome)
    }

    fn set_aside(&mut self, outcome: &mut Outcome, mut why: impl FnMut(&Posted) -> Option<String>) {
        let entries = std::mem::take(&mut self.entries);
        for entry in entries {
            match why(&entry) {
                None => self.entries.push(entry),
                Some(reason) => outcome.rejected.push(Rejected {
                    source: entry.source,
                    reason,
                }),
            }
        }
    }

    async fn send(&self, client: &Client) -> anyhow::Result<Vec<Receipt>> {
        let texts: Vec<&str> = self
            .entries
            .iter()
            .map(|entry| entry.text.as_str())
            .collect();
        let body = bytes::Bytes::from(format!("{{\"entries\":[{}]}}", texts.join(",")));
        let url = client.url("api/v1/logs/bulk")?;
        let answer = client
            .send(|http| {
                http.post(url.clone())
                    .header(CONTENT_TYPE, "application/json")
                    .body(body.clone())
            })
            .await?;
        let text = answer.bytes().await.context("the receipts broke off")?;
        let receipts: Receipts = serde_json::from_slice(&text)
            .context("the server's receipts are not what this program knows")?;
        Ok(receipts.receipts)
    }
}

/// The entries that a refusal names, with what it says of them.
fn places(refused: &Refused) -> BTreeSet<(usize, String)> {
    let problem = &refused.problem;
    if refused.status == StatusCode::CONFLICT {
        let detail = problem.detail.as_deref().unwrap_or_default();
        return place(detail)
            .into_iter()
            .map(|(index, rest)| (index, rest.to_owned()))
            .collect();
    }
    if refused.status != StatusCode::UNPROCESSABLE_ENTITY {
        return BTreeSet::new();
    }
    let named = problem.errors.iter().filter_map(|error| {
        let (index, member) = place(&error.path)?;
        let member = if member.is_empty() {
            "the entry"
        } else {
            member
        };
        Some((index, format!("{member}: {}", error.message)))
    });
    named.collect()
}

/// `/entries/17/actor/id…` as 17 and the rest.
fn place(path: &str) -> Option<(usize, &str)> {
    let path = path.strip_prefix("/entries/")?;
    let digits = path
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(path.len());
    Some((path[..digits].parse().ok()?, &path[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(partition: Option<&str>, length: usize) -> Posted {
        let partition = partition.map(str::to_owned);
        Posted {
            source: "line 1".to_owned(),
            text: "x".repeat(length),
            partition,
        }
    }

    #[test]
    fn a_batch_ends_with_its_partition_its_count_and_its_bytes() {
        let mut batch = Batch::default();
        batch.push(entry(None, 1)).unwrap();
        assert!(batch.push(entry(Some("other"), 1)).is_err());
        assert!(batch.push(entry(None, BATCH_BYTES)).is_err());
        for _ in 1..BATCH {
            batch.push(entry(None, 1)).unwrap();
        }
        assert!(batch.push(entry(None, 1)).is_err());
        assert_eq!(batch.entries.len(), BATCH);
        assert!(Batch::default().push(entry(None, 2 * BATCH_BYTES)).is_ok());
    }

    #[test]
    fn a_refusal_names_its_entries() {
        assert_eq!(place("/entries/17/actor/id"), Some((17, "/actor/id")));
        assert_eq!(place("/entries/3"), Some((3, "")));
        assert_eq!(place("/entries"), None);
        assert_eq!(place(""), None);
    }
}
