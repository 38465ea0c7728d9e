//! `veritrail tail`: the last entries, a line each, and with `-f` those that
//! follow. Following, it asks for what each chain has grown by, so that nothing
//! is shown twice and nothing left out.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Client, Purpose};
use crate::config;
use crate::partitions;
use crate::print::{Output, Style, one_line};

/// Most entries that the server gives at once.
const PAGE: usize = 1_000;
const EVERY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Page {
    entries: Vec<Value>,
    next: Option<String>,
    /// Rows that are not what was recorded.
    #[serde(default)]
    unreadable: Vec<Place>,
}

/// Where an entry stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Place {
    partition: String,
    #[serde(default = "first_generation")]
    generation: u64,
    seq: u64,
}

fn first_generation() -> u64 {
    1
}

pub(crate) async fn run(config: config::Tail, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&config.connection, Purpose::Read)?;
    let mut tail = Tail {
        client,
        output,
        partition: config.partition,
        next: BTreeMap::new(),
    };
    // The heads first: what comes between them and the listing is shown by following.
    if config.follow {
        tail.mark().await?;
    }
    let count = usize::try_from(config.count)?;
    let partition = tail.partition.clone();
    let last = tail.newest(partition.as_deref(), count, None).await?;
    tail.show(last)?;
    if !config.follow {
        return Ok(ExitCode::SUCCESS);
    }
    // One listener for the whole time, so that no Ctrl-C falls between two.
    let mut interrupts = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = interrupts.recv() => Ok(ExitCode::SUCCESS),
        failed = tail.forever() => failed,
    }
}

struct Tail {
    client: Client,
    output: Output,
    partition: Option<String>,
    /// Of each chain, the first seq that was not shown.
    next: BTreeMap<String, u64>,
}

impl Tail {
    /// Begins to follow at the chains' heads.
    async fn mark(&mut self) -> anyhow::Result<()> {
        for chain in partitions::list(&self.client).await?.partitions {
            self.next.insert(chain.partition, chain.size);
        }
        Ok(())
    }

    async fn forever(&mut self) -> anyhow::Result<ExitCode> {
        loop {
            tokio::time::sleep(EVERY).await;
            self.follow().await?;
        }
    }

    /// Shows what came since.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut new = Vec::new();
        for chain in partitions::list(&self.client).await?.partitions {
            let wanted = self
                .partition
                .as_ref()
                .is_none_or(|wanted| *wanted == chain.partition);
            let from = self.next.get(&chain.partition).copied().unwrap_or(0);
            if wanted && chain.size > from {
                let most = usize::try_from(chain.size - from)?;
                let grown = self
                    .newest(Some(&chain.partition), most, Some(from))
                    .await?;
                new.extend(grown);
            }
        }
        new.sort_by_key(|entry| (text(entry, "/received_at"), place(entry)));
        self.show(new)
    }

    /// The newest entries, oldest first: `count` of them, or all from seq `from` on.
    async fn newest(
        &self,
        partition: Option<&str>,
        count: usize,
        from: Option<u64>,
    ) -> anyhow::Result<Vec<Value>> {
        let mut entries: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        let reached = |entries: &[Value]| match from {
            Some(from) => entries.last().is_some_and(|entry| place(entry).seq <= from),
            None => entries.len() >= count,
        };
        loop {
            let mut url = self.client.url("api/v1/logs")?;
            let limit = count.saturating_sub(entries.len()).clamp(1, PAGE);
            url.query_pairs_mut()
                .append_pair("order", "desc")
                .append_pair("limit", &limit.to_string());
            if let Some(partition) = partition {
                url.query_pairs_mut().append_pair("partition", partition);
            }
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let page: Page = self.client.get_json(url).await?;
            self.warn(&page.unreadable);
            entries.extend(page.entries);
            cursor = page.next;
            if cursor.is_none() || reached(&entries) || count == 0 {
                break;
            }
        }
        entries.retain(|entry| from.is_none_or(|from| place(entry).seq >= from));
        if from.is_none() {
            entries.truncate(count);
        }
        entries.reverse();
        Ok(entries)
    }

    fn warn(&self, unreadable: &[Place]) {
        for Place { partition, seq, .. } in unreadable {
            let warning =
                format!("{partition}/{seq} is not what was recorded: run `veritrail verify`");
            self.output.note(&self.output.paint(Style::Bad, &warning));
        }
    }

    fn show(&mut self, entries: Vec<Value>) -> anyhow::Result<()> {
        for entry in entries {
            let Place { partition, seq, .. } = place(&entry);
            let next = self.next.entry(partition).or_default();
            *next = (*next).max(seq + 1);
            self.output.value(&entry)?;
            if !self.output.json() {
                self.output.say(&line(self.output, &entry))?;
            }
        }
        Ok(())
    }
}

fn place(entry: &Value) -> Place {
    Place {
        partition: text(entry, "/partition"),
        generation: entry["generation"].as_u64().unwrap_or(1),
        seq: entry["seq"].as_u64().unwrap_or(0),
    }
}

fn text(entry: &Value, pointer: &str) -> String {
    entry
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// `2023-07-10 11:42:18  default/12  ec2.run_instances  benjamin → i-0abc  success`
fn line(output: Output, entry: &Value) -> String {
    let received = text(entry, "/received_at").replacen('T', " ", 1);
    let received = received.split('.').next().unwrap_or_default().to_owned();
    let Place { partition, seq, .. } = place(entry);
    let name = text(entry, "/actor/name");
    let actor = if name.is_empty() {
        text(entry, "/actor/id")
    } else {
        name
    };
    let target = text(entry, "/targets/0/id");
    let target = if target.is_empty() {
        target
    } else {
        format!(" → {}", one_line(&target, 60))
    };
    let outcome = text(entry, "/outcome/status");
    let failed = outcome == "failure";
    let outcome = match text(entry, "/outcome/code") {
        code if code.is_empty() => outcome,
        code => format!("{outcome} {}", one_line(&code, 40)),
    };
    format!(
        "{}  {:<16}  {:<40}  {}{}  {}",
        output.paint(Style::Dim, &received),
        format!("{}/{seq}", one_line(&partition, 40)),
        one_line(&text(entry, "/action"), 60),
        one_line(&actor, 50),
        target,
        if failed {
            output.paint(Style::Bad, &outcome)
        } else {
            outcome
        },
    )
    .trim_end()
    .to_owned()
}
