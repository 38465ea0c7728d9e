//! Bringing the file of a finished job: behind what is there of it already, as
//! often as the connection breaks off, and into its place only when its digest
//! is the job's.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chain::Hash;
use postgres::durable;
use reqwest::StatusCode;
use reqwest::header::{IF_RANGE, RANGE};
use sha2::{Digest as _, Sha256};

use super::job::{self, Job, Outcome};
use crate::client::Client;
use crate::print::Output;

/// Times that nothing at all came before the connection broke off.
const FRUITLESS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);
const BUFFER: usize = 1 << 20;

pub(super) async fn run(
    client: &Client,
    job: &Job,
    result: &Outcome,
    path: &Path,
    output: Output,
) -> anyhow::Result<()> {
    let part = job::part(path);
    let mut file = Part::open(&part, result.bytes)?;
    let bar = output.progress(result.bytes.max(1), "bytes");
    bar.set_position(file.length);
    let mut fruitless = 0;
    while file.length < result.bytes {
        let before = file.length;
        let broken = file.fetch(client, job, result, |length| bar.set_position(length));
        if let Err(error) = broken.await {
            fruitless = if file.length > before {
                0
            } else {
                fruitless + 1
            };
            if fruitless >= FRUITLESS || !error.is::<BrokeOff>() {
                bar.abandon();
                return Err(error.context(format!("what came is in {}", part.display())));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    bar.finish_and_clear();
    if file.digest()? != result.sha256 {
        drop(file);
        std::fs::remove_file(&part)?;
        bail!("the file that came is not the one that was made; it was removed");
    }
    file.file.sync_all()?;
    std::fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))?;
    durable::sync_folder_of(path)?;
    Ok(())
}

/// The connection ended before the file did: what came is kept.
#[derive(Debug, thiserror::Error)]
#[error("the download broke off")]
struct BrokeOff(#[source] reqwest::Error);

struct Part {
    file: File,
    length: u64,
}

impl Part {
    fn open(path: &Path, bytes: u64) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        // One process at a time appends to it.
        file.try_lock()
            .with_context(|| format!("{} is being written by another process", path.display()))?;
        let mut length = file.metadata()?.len();
        if length > bytes {
            file.set_len(0)?;
            length = 0;
        }
        Ok(Self { file, length })
    }

    /// The rest of it, as far as it comes.
    async fn fetch(
        &mut self,
        client: &Client,
        job: &Job,
        result: &Outcome,
        moved: impl Fn(u64),
    ) -> anyhow::Result<()> {
        let url = client.url(&format!("api/v1/exports/{}/download", job.id))?;
        let (range, etag) = (
            format!("bytes={}-", self.length),
            format!("\"{}\"", result.sha256),
        );
        let request = |http: &reqwest::Client| {
            http.get(url.clone())
                .header(RANGE, &range)
                .header(IF_RANGE, &etag)
        };
        let mut answer = client.send(request).await?;
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            self.file.set_len(0)?;
            self.length = 0;
        }
        while let Some(chunk) = answer.chunk().await.map_err(BrokeOff)? {
            self.file.write_all(&chunk)?;
            self.length += chunk.len() as u64;
            ensure!(self.length <= result.bytes, "more came than there is");
            moved(self.length);
        }
        Ok(())
    }

    fn digest(&mut self) -> anyhow::Result<String> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = self.file.read(&mut buffer)?;
            if count == 0 {
                return Ok(hex(digest));
            }
            digest.update(&buffer[..count]);
        }
    }
}

pub(super) fn hex(digest: Sha256) -> String {
    Hash(digest.finalize().into()).to_string()
}
