//! `veritrail export`: entries into a file. A job of the server makes it, a
//! download brings it, and both are gone on with after an interruption; or, with
//! `--direct`, the server writes while it reads. It never puts a file in its
//! place that is not whole.

mod direct;
mod download;
mod job;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use self::job::Job;
use crate::client::{Client, Purpose};
use crate::config;
use crate::print::{Output, TAMPERED, grouped};

pub(crate) async fn run(config: config::Export, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&config.connection, Purpose::Read)?;
    let filter = filter(&config)?;
    if config.direct {
        return direct::run(&client, &config, &filter, output).await;
    }
    if config.output.as_deref() == Some(Path::new("-")) {
        bail!("only --direct writes to standard output");
    }
    let asked = json!({
        "format": config.format.name(),
        "gzip": config.gzip,
        "partitions": config.partition,
        "filter": filter,
    });
    let begun = match config.job {
        Some(id) => job::get(&client, id).await?,
        None => job::begin(&client, config.output.as_deref(), &asked).await?,
    };
    let job = job::finished(&client, begun, output).await?;
    let Some(result) = &job.result else {
        return failed(&job, output);
    };
    let path = config
        .output
        .unwrap_or_else(|| PathBuf::from(&job.file_name));
    download::run(&client, &job, result, &path, output).await?;
    job::forget(&path)?;
    done(output, &path, result.rows, result.bytes, &result.sha256)
}

/// `name=value` as the API names its conditions.
fn filter(config: &config::Export) -> anyhow::Result<Map<String, Value>> {
    let mut filter = Map::new();
    let mut put = |name: &str, value: &str| {
        let before = filter.insert(name.to_owned(), value.into());
        anyhow::ensure!(before.is_none(), "{name} is given twice");
        anyhow::Ok(())
    };
    for condition in &config.conditions {
        let (name, value) = condition
            .split_once('=')
            .with_context(|| format!("{condition:?} is no condition such as action=invoice.*"))?;
        put(name, value)?;
    }
    for (name, value) in [("from", &config.from), ("to", &config.to)] {
        if let Some(value) = value {
            put(name, value)?;
        }
    }
    Ok(filter)
}

fn failed(job: &Job, output: Output) -> anyhow::Result<ExitCode> {
    let Some(failure) = &job.failure else {
        bail!("the export is {}", job.state);
    };
    output.value(&json!({"id": job.id, "state": job.state, "failure": failure}))?;
    let Some(entry) = &failure.entry else {
        bail!("the export failed: {}", failure.code);
    };
    output.note(&format!(
        "{}/{}: {}: {}: not what was recorded; run `veritrail verify`",
        entry.partition, entry.seq, entry.place, entry.message
    ));
    Ok(ExitCode::from(TAMPERED))
}

fn done(
    output: Output,
    path: &Path,
    rows: u64,
    bytes: u64,
    sha256: &str,
) -> anyhow::Result<ExitCode> {
    output.value(&json!({"file": path, "rows": rows, "bytes": bytes, "sha256": sha256}))?;
    output.say(&format!(
        "{}  {} entries, {} bytes",
        path.display(),
        grouped(rows),
        grouped(bytes)
    ))?;
    output.say(&format!("sha256  {sha256}"))?;
    Ok(ExitCode::SUCCESS)
}
