//! The job at the server, and what is remembered of it beside the file, so that
//! the same command after an interruption goes on with the same job.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use postgres::durable::{self, Readers};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::client::{Client, Refused};
use crate::print::Output;

const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
pub(super) struct Job {
    pub(super) id: Uuid,
    pub(super) state: String,
    pub(super) file_name: String,
    progress: Progress,
    pub(super) result: Option<Outcome>,
    pub(super) failure: Option<Failure>,
}

#[derive(Deserialize)]
struct Progress {
    scanned: u64,
    total: u64,
}

#[derive(Deserialize)]
pub(super) struct Outcome {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) entry: Option<Damaged>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Damaged {
    pub(super) partition: String,
    pub(super) seq: i64,
    pub(super) place: String,
    pub(super) message: String,
}

/// What an interrupted command leaves: which job its part of the file is of.
#[derive(Serialize, Deserialize)]
struct Begun {
    id: Uuid,
    asked: Value,
}

impl Job {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "queued" | "running")
    }
}

/// The part of a file that is there already.
pub(super) fn part(path: &Path) -> PathBuf {
    beside(path, ".part")
}

fn note(path: &Path) -> PathBuf {
    beside(path, ".export")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) async fn get(client: &Client, id: Uuid) -> anyhow::Result<Job> {
    client
        .get_json(client.url(&format!("api/v1/exports/{id}"))?)
        .await
}

/// The job that an earlier run of this command asked for, or a new one. Its id is on the disk before
/// the server knows of it, so that no interruption makes two of it.
pub(super) async fn begin(
    client: &Client,
    path: Option<&Path>,
    asked: &Value,
) -> anyhow::Result<Job> {
    let left = path.map(|path| durable::read(&note(path))).transpose()?;
    let left = left
        .flatten()
        .and_then(|text| serde_json::from_slice::<Begun>(&text).ok());
    if let Some(begun) = left.filter(|begun| begun.asked == *asked) {
        let job = ask(client, begun.id, asked).await?;
        if job.is_open() || job.result.is_some() && job.state == "finished" {
            return Ok(job);
        }
    }
    let id = Uuid::now_v7();
    if let Some(path) = path {
        let begun = Begun {
            id,
            asked: asked.clone(),
        };
        // What is there of another job is of no use to this one.
        remove(&part(path))?;
        durable::write(&note(path), &serde_json::to_vec(&begun)?, Readers::Owner)?;
    }
    ask(client, id, asked).await
}

async fn ask(client: &Client, id: Uuid, asked: &Value) -> anyhow::Result<Job> {
    let mut body = asked.clone();
    body["id"] = id.to_string().into();
    let url = client.url("api/v1/exports")?;
    let answer = client.send(|http| http.post(url.clone()).json(&body)).await;
    let answer = answer.map_err(|error| match error.downcast_ref::<Refused>() {
        Some(refused) if refused.status.as_u16() == 429 => {
            error.context("the tenant has as many open exports as it may have")
        }
        _ => error,
    })?;
    let text = answer.bytes().await.context("the answer broke off")?;
    serde_json::from_slice(&text).context("the server's answer is not what this program knows")
}

/// Waits until the job has ended, and shows how far it is.
pub(super) async fn finished(client: &Client, mut job: Job, output: Output) -> anyhow::Result<Job> {
    if job.is_open() {
        output.note(&format!(
            "export {} is being made; after an interruption: veritrail export --job {}",
            job.id, job.id
        ));
    }
    let bar = output.progress(job.progress.total.max(1), "entries read");
    let mut pause = FIRST_LOOK;
    while job.is_open() {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_LOOK);
        job = get(client, job.id).await?;
        bar.set_position(job.progress.scanned);
    }
    bar.finish_and_clear();
    if job.state == "expired" {
        bail!("the file of this export is not there any more");
    }
    Ok(job)
}

/// Nothing is left to go on with.
pub(super) fn forget(path: &Path) -> anyhow::Result<()> {
    remove(&note(path))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
