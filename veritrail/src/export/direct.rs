//! `--direct`: the server writes while it reads, and nothing is kept there. What
//! breaks off cannot be gone on with and leaves no file.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::ProgressBar;
use postgres::durable;
use reqwest::Response;
use reqwest::header::CONTENT_DISPOSITION;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::download::hex;
use super::job::part;
use crate::client::Client;
use crate::config;
use crate::print::{Output, grouped};

pub(super) async fn run(
    client: &Client,
    config: &config::Export,
    filter: &Map<String, Value>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut url = client.url("api/v1/logs/export")?;
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("format", config.format.name());
        query.append_pair("gzip", if config.gzip { "true" } else { "false" });
        if !config.partitions.is_empty() {
            query.append_pair("partitions", &config.partitions.join(","));
        }
        for (name, value) in filter {
            query.append_pair(name, value.as_str().unwrap_or_default());
        }
    }
    let answer = client.get(url).await?;
    if config.output.as_deref() == Some(Path::new("-")) {
        copy(answer, &mut io::stdout().lock(), &ProgressBar::hidden()).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = match &config.output {
        Some(path) => path.clone(),
        None => super::named(disposition(&answer).unwrap_or_default())?,
    };
    let begun = part(&path);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&begun)
        .with_context(|| format!("cannot write {}", begun.display()))?;
    let bar = output.progress(0, "bytes");
    let copied = copy(answer, &mut file, &bar).await;
    bar.finish_and_clear();
    let (bytes, sha256) = match copied {
        Ok(copied) => copied,
        Err(error) => {
            std::fs::remove_file(&begun)?;
            return Err(error);
        }
    };
    file.sync_all()?;
    std::fs::rename(&begun, &path).with_context(|| format!("cannot write {}", path.display()))?;
    durable::sync_folder_of(&path)?;
    output.value(&json!({"file": path, "bytes": bytes, "sha256": sha256}))?;
    output.say(&format!("{}  {} bytes", path.display(), grouped(bytes)))?;
    output.say(&format!("sha256  {sha256}"))?;
    Ok(ExitCode::SUCCESS)
}

async fn copy(
    mut answer: Response,
    out: &mut impl Write,
    bar: &ProgressBar,
) -> anyhow::Result<(u64, String)> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    let broken = "the export broke off: what came is of no use";
    while let Some(chunk) = answer.chunk().await.context(broken)? {
        out.write_all(&chunk).context("cannot write what came")?;
        digest.update(&chunk);
        bytes += chunk.len() as u64;
        bar.set_position(bytes);
    }
    out.flush()?;
    Ok((bytes, hex(digest)))
}

fn disposition(answer: &Response) -> Option<&str> {
    let header = answer.headers().get(CONTENT_DISPOSITION)?.to_str().ok()?;
    header.split("filename=\"").nth(1)?.split('"').next()
}
