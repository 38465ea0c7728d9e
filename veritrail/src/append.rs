//! `veritrail append`: entries from an argument, a file or standard input. It
//! appends what it has as soon as nothing more is waiting, so that it can stand
//! at the end of a pipe.

mod shorthand;
mod source;

use std::process::ExitCode;

use crate::client::{Client, Purpose};
use crate::config;
use crate::posting::{Batch, Outcome, Posted, Receipt, Rejected, with_id};
use crate::print::{self, Output, Style, grouped};

pub(crate) async fn run(config: config::Append, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&config.connection, Purpose::Append)?;
    let mut tally = Tally::new(output);
    match config.entry.as_slice() {
        [] => stream(&client, &config, &mut tally).await?,
        [only] if only == "-" => stream(&client, &config, &mut tally).await?,
        words => {
            let text = shorthand::entry(words)?;
            let mut batch = Batch::default();
            let entry = with_id("the entry".to_owned(), &text, config.partition.as_deref())?;
            // An empty batch takes any entry.
            let _ = batch.push(entry);
            tally.add(batch.post(&client).await?)?;
        }
    }
    tally.finish()
}

/// Posts entries as they come.
async fn stream(client: &Client, config: &config::Append, tally: &mut Tally) -> anyhow::Result<()> {
    let mut entries = source::read(config.file.as_deref(), config.partition.clone())?;
    let mut batch = Batch::default();
    let mut next: Option<Posted> = None;
    loop {
        let entry = match next.take() {
            Some(entry) => Some(Ok(entry)),
            // What waits in the channel joins the batch; an empty channel ends it.
            None if batch.is_empty() => entries.recv().await,
            None => entries.try_recv().ok(),
        };
        let broken = match entry {
            Some(Ok(entry)) => match batch.push(entry) {
                Ok(()) => continue,
                Err(entry) => {
                    next = Some(entry);
                    None
                }
            },
            Some(Err(error)) => Some(error),
            None if batch.is_empty() => return Ok(()),
            None => None,
        };
        // What came before a broken line is good, and in order.
        let full = std::mem::take(&mut batch);
        if !full.is_empty() {
            tally.add(full.post(client).await?)?;
        }
        if let Some(error) = broken {
            return Err(error);
        }
    }
}

/// What was done so far.
struct Tally {
    output: Output,
    appended: u64,
    repeated: u64,
    rejected: Vec<Rejected>,
    last: Option<Receipt>,
}

impl Tally {
    fn new(output: Output) -> Self {
        Self {
            output,
            appended: 0,
            repeated: 0,
            rejected: Vec::new(),
            last: None,
        }
    }

    fn add(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        for receipt in &outcome.receipts {
            self.output.value(receipt)?;
            let count = if receipt.repeated {
                &mut self.repeated
            } else {
                &mut self.appended
            };
            *count += 1;
        }
        for rejected in &outcome.rejected {
            self.output
                .value(&serde_json::json!({"refused": rejected}))?;
            let reason = self.output.paint(Style::Bad, &rejected.reason);
            self.output.note(&format!("{}: {reason}", rejected.source));
        }
        self.last = outcome
            .receipts
            .into_iter()
            .next_back()
            .or(self.last.take());
        self.rejected.extend(outcome.rejected);
        Ok(())
    }

    fn finish(self) -> anyhow::Result<ExitCode> {
        let one = self
            .last
            .as_ref()
            .filter(|_| self.appended + self.repeated == 1);
        if let Some(receipt) = one {
            self.tell(receipt)?;
        } else {
            let there = match self.repeated {
                0 => String::new(),
                repeated => format!(", {} were already there", grouped(repeated)),
            };
            self.output
                .say(&format!("{} appended{there}", grouped(self.appended)))?;
        }
        if self.rejected.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        self.output
            .note(&format!("{} refused", grouped(self.rejected.len() as u64)));
        Ok(ExitCode::from(print::COULD_NOT))
    }

    fn tell(&self, receipt: &Receipt) -> anyhow::Result<()> {
        let done = if receipt.repeated {
            "was already there"
        } else {
            "appended"
        };
        let place = format!("{}/{}", receipt.partition, receipt.seq);
        self.output.say(&format!(
            "{done}: {}",
            self.output.paint(Style::Bold, &place)
        ))?;
        self.output.say(&format!("  id           {}", receipt.id))?;
        self.output
            .say(&format!("  received at  {}", receipt.received_at))?;
        self.output.say(&format!("  hash         {}", receipt.hash))
    }
}
