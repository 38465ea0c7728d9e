//! `veritrail tail`: the last entries, a line each, and with `-f` those that
//! follow, over the live stream. Nothing is shown twice and nothing left out.

mod stream;

use std::collections::HashSet;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use self::stream::{Event, Stream};
use crate::client::{Client, Purpose};
use crate::config;
use crate::print::{Output, Style, one_line};

/// Most entries that the server gives at once.
const PAGE: usize = 1_000;

#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Value>,
    pub(crate) next: Option<String>,
    /// Rows that are not what was recorded.
    #[serde(default)]
    pub(crate) unreadable: Vec<Place>,
}

/// Where an entry stands.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
pub(crate) struct Place {
    partition: String,
    #[serde(default = "first_generation")]
    generation: u64,
    seq: u64,
}

fn first_generation() -> u64 {
    1
}

pub(crate) async fn run(config: config::Tail, output: Output) -> anyhow::Result<ExitCode> {
    // One listener for the whole time, so that no Ctrl-C falls between two.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let tail = Tail {
        client: Client::new(&config.connection, Purpose::Read)?,
        output,
        partition: config.partition,
    };
    let count = usize::try_from(config.count)?;
    let shown = async {
        if config.follow {
            tail.follow(count).await
        } else {
            tail.last(count).await.map(drop)
        }
    };
    tokio::select! {
        _ = interrupts.recv(), if config.follow => {}
        shown = shown => shown?,
    }
    Ok(ExitCode::SUCCESS)
}

struct Tail {
    client: Client,
    output: Output,
    partition: Option<String>,
}

impl Tail {
    /// Shows the last entries, then what comes.
    async fn follow(&self, count: usize) -> anyhow::Result<()> {
        // The stream first: what is committed between it and the listing comes over both.
        let mut stream = Stream::open(&self.client, self.partition.as_deref()).await?;
        let mut listed: HashSet<Place> = self.last(count).await?.iter().map(place).collect();
        loop {
            match stream.next().await? {
                Event::Entry(entry) if listed.remove(&place(&entry)) => {}
                Event::Entry(entry) => self.show(&entry)?,
                Event::Unreadable(place) => self.warn(&[place]),
            }
        }
    }

    /// Shows the newest entries, oldest first.
    async fn last(&self, count: usize) -> anyhow::Result<Vec<Value>> {
        let mut entries: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        while entries.len() < count {
            let mut url = self.client.url("api/v1/logs")?;
            let limit = (count - entries.len()).min(PAGE);
            url.query_pairs_mut()
                .append_pair("order", "desc")
                .append_pair("limit", &limit.to_string());
            if let Some(partition) = &self.partition {
                url.query_pairs_mut().append_pair("partition", partition);
            }
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let page: Page = self.client.get_json(url).await?;
            self.warn(&page.unreadable);
            entries.extend(page.entries);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        entries.reverse();
        for entry in &entries {
            self.show(entry)?;
        }
        Ok(entries)
    }

    fn warn(&self, unreadable: &[Place]) {
        warn(self.output, unreadable);
    }

    fn show(&self, entry: &Value) -> anyhow::Result<()> {
        show(self.output, entry)
    }
}

/// Names rows that are not what was recorded.
pub(crate) fn warn(output: Output, unreadable: &[Place]) {
    for Place { partition, seq, .. } in unreadable {
        let warning = format!("{partition}/{seq} is not what was recorded: run `veritrail verify`");
        output.note(&output.paint(Style::Bad, &warning));
    }
}

/// An entry on a line of its own.
pub(crate) fn show(output: Output, entry: &Value) -> anyhow::Result<()> {
    output.value(entry)?;
    if !output.json() {
        output.say(&line(output, entry))?;
    }
    Ok(())
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
