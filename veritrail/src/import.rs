//! `veritrail import cloudtrail`: records of AWS CloudTrail from files. Each
//! record's own id becomes the entry's, so importing again adds nothing.

mod records;

use std::process::ExitCode;

use self::records::Record;
use crate::client::{Client, Purpose};
use crate::config;
use crate::posting::{Batch, Rejected};
use crate::print::{self, Output, Style, grouped};

/// Refusals that are told one by one; of more, the number.
const TOLD: usize = 20;

pub(crate) async fn run(config: config::Import, output: Output) -> anyhow::Result<ExitCode> {
    let config::Import::Cloudtrail(config) = config;
    let client = Client::new(&config.connection, Purpose::Append)?;
    let bar = output.progress(records::size(&config.files)?, "reading");
    let mut records = records::read(config.files, config.partition, bar.clone());
    let mut tally = Tally::default();
    let mut batch = Batch::default();
    while let Some(record) = records.recv().await {
        match record? {
            Record::Entry(entry) => {
                if let Err(entry) = batch.push(entry) {
                    tally.post(std::mem::take(&mut batch), &client).await?;
                    bar.set_message(format!(
                        "{} entries",
                        grouped(tally.appended + tally.repeated)
                    ));
                    // An empty batch takes any entry.
                    let _ = batch.push(entry);
                }
            }
            Record::Rejected(rejected) => tally.rejected.push(rejected),
        }
    }
    tally.post(batch, &client).await?;
    bar.finish_and_clear();
    tally.tell(output)
}

#[derive(Default)]
struct Tally {
    appended: u64,
    repeated: u64,
    rejected: Vec<Rejected>,
}

impl Tally {
    async fn post(&mut self, batch: Batch, client: &Client) -> anyhow::Result<()> {
        let outcome = batch.post(client).await?;
        for receipt in outcome.receipts {
            let count = if receipt.repeated {
                &mut self.repeated
            } else {
                &mut self.appended
            };
            *count += 1;
        }
        self.rejected.extend(outcome.rejected);
        Ok(())
    }

    fn tell(self, output: Output) -> anyhow::Result<ExitCode> {
        let Self {
            appended,
            repeated,
            rejected,
        } = self;
        let read = appended + repeated + rejected.len() as u64;
        output.value(&serde_json::json!({
            "read": read, "appended": appended, "repeated": repeated, "refused": rejected,
        }))?;
        let (all, new, old) = (grouped(read), grouped(appended), grouped(repeated));
        let told = match (appended, repeated) {
            (0, 0) if rejected.is_empty() => "no records".to_owned(),
            (0, 0) => "nothing appended".to_owned(),
            (0, _) => format!("nothing new: {old} entries were already there"),
            (_, 0) => format!("{new} entries appended"),
            _ => format!("{new} entries appended, {old} were already there"),
        };
        output.say(&output.paint(
            if appended > 0 {
                Style::Good
            } else {
                Style::Bold
            },
            &told,
        ))?;
        if rejected.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        for rejected in rejected.iter().take(TOLD) {
            output.note(&format!(
                "{}: {}",
                rejected.source,
                output.paint(Style::Bad, &rejected.reason)
            ));
        }
        output.note(&format!(
            "{} of {all} records refused",
            grouped(rejected.len() as u64)
        ));
        Ok(ExitCode::from(print::COULD_NOT))
    }
}
