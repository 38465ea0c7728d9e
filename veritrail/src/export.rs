//! `veritrail export`: entries into a file. A job of the server makes it, a
//! download brings it, and both are gone on with after an interruption; or, with
//! `--direct`, the server writes while it reads. It never puts a file in its
//! place that is not whole.

mod direct;
mod download;
mod job;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, ensure};
use serde_json::{Map, Value, json};

use self::job::Job;
use crate::client::{Client, Purpose};
use crate::config;
use crate::print::{Output, TAMPERED, grouped};
use crate::search;

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
        "partitions": config.partitions,
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
    let path = match config.output {
        Some(path) => path,
        None => named(&job.file_name)?,
    };
    download::run(&client, &job, result, &path, output).await?;
    job::forget(&path)?;
    output.value(&json!({
        "id": job.id,
        "file": path,
        "rows": result.rows,
        "bytes": result.bytes,
        "sha256": result.sha256,
    }))?;
    let (rows, bytes) = (grouped(result.rows), grouped(result.bytes));
    output.say(&format!(
        "{}  {rows} entries, {bytes} bytes",
        path.display()
    ))?;
    output.say(&format!("sha256  {}", result.sha256))?;
    Ok(ExitCode::SUCCESS)
}

/// The server's name for the file, in the current folder: never a path.
fn named(name: &str) -> anyhow::Result<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
    ensure!(good, "the server gives the file no good name: say --output");
    Ok(PathBuf::from(name))
}

/// The conditions as the API names them.
fn filter(config: &config::Export) -> anyhow::Result<Map<String, Value>> {
    let mut parameters = search::parameters(&config.conditions)?;
    if !config.words.is_empty() {
        parameters.push(("q".to_owned(), config.words.join(" ")));
    }
    let mut filter = Map::new();
    for (name, value) in parameters {
        let before = filter.insert(name.clone(), value.into());
        ensure!(before.is_none(), "{name} is given twice");
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
