//! Verification of a chain in evidence form on one core, beside `openssl dgst -sha256` on a file
//! of the same canonical bytes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{Bench, bulk};
use crate::cpu::Watch;
use crate::load::{self, Load, precise};
use crate::report::{Round, Target, progress};
use crate::system::System;
use crate::template::Ids;

/// Entries of the chain that is verified.
const ENTRIES: u64 = 200_000;

/// Entries fetched at a time.
const PAGE: u64 = 10_000;

pub(super) async fn measure(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("verification");
    let watch = system.watch();
    let trail = system.trail("default").await?;
    while trail.size()? < ENTRIES {
        let requests = bulk::requests(&trail.writer.text, Ids::Server, "default");
        let load = Load {
            address: system.address,
            requests,
            rate: None,
        };
        load::run(load, 1, &watch).await?;
    }
    let evidence = bench.scratch.join("evidence.jsonl");
    let mut file = BufWriter::new(File::create(&evidence)?);
    let mut from = 0;
    while from < ENTRIES {
        let page = trail
            .client
            .evidence("default", from, from + PAGE, &trail.reader)
            .await?;
        file.write_all(&page)?;
        from += PAGE;
    }
    file.flush()?;
    let canonical = bench.scratch.join("canonical");
    let bytes = write_canonical(&evidence, &canonical)?;
    let (mut ratios, mut speeds) = (vec![], vec![]);
    while bench.another(&ratios) {
        let verified = bench.alone("verification", &watch, || verify(&trail.chain, &evidence));
        let verified = verified.await?;
        let hashed = bench
            .alone("openssl dgst -sha256", &watch, || openssl(&canonical))
            .await?;
        ratios.push(bench.report.outcome(hashed / verified));
        speeds.push(precise(bytes) / verified / 1e6);
    }
    let name = "verify ÷ openssl dgst -sha256, bytes/s of canonical text, one core";
    bench.report.figure(name, ratios, Target::AtLeast(0.5));
    bench.report.note(format!(
        "Verification read {ENTRIES} entries with {} MB of canonical text at {} MB/s.",
        crate::report::number(precise(bytes) / 1e6),
        crate::report::number(crate::report::median(&speeds)),
    ));
    Ok(())
}

impl Bench<'_> {
    /// Measures work that neither the service nor PostgreSQL has a part in; returns its seconds.
    async fn alone(
        &mut self,
        name: &str,
        watch: &Watch,
        work: impl FnOnce() -> Result<f64>,
    ) -> Result<f64> {
        self.quiet(watch).await?;
        let before = watch.now()?;
        let seconds = work()?;
        let spent = watch.now()? - before;
        let rate = precise(ENTRIES) / seconds;
        let round = Round {
            rate,
            entries: ENTRIES,
            seconds,
            spent,
            p50: 0.0,
            p99: 0.0,
        };
        self.report.round(name, round);
        Ok(seconds)
    }
}

/// Writes the documents and the texts of the parts, and returns how many bytes they are.
fn write_canonical(evidence: &Path, canonical: &Path) -> Result<u64> {
    let mut out = BufWriter::new(File::create(canonical)?);
    let mut bytes = 0;
    for line in BufReader::new(File::open(evidence)?).lines() {
        let line: serde_json::Value = serde_json::from_str(&line?)?;
        let mut texts = vec![line["document"].as_str().context("a document")?];
        for part in line["parts"].as_object().context("parts")?.values() {
            texts.push(part["text"].as_str().context("the text of a part")?);
        }
        for text in texts {
            out.write_all(text.as_bytes())?;
            bytes += text.len() as u64;
        }
    }
    out.flush()?;
    Ok(bytes)
}

/// Seconds to verify the whole file, in this thread.
fn verify(chain: &chain::Chain, evidence: &Path) -> Result<f64> {
    let start = Instant::now();
    let mut verifier = chain::verify::Verifier::new(chain.clone());
    each_line(&mut File::open(evidence)?, |line| {
        verifier.line(line)?;
        Ok(())
    })?;
    let verified = verifier.head().map_or(0, |head| head.size);
    ensure!(
        verified == ENTRIES,
        "verified {verified} entries of {ENTRIES}"
    );
    Ok(start.elapsed().as_secs_f64())
}

/// Room for lines: as much as stays in a core's own cache. One line is far shorter.
const ROOM: usize = 256 * 1024;

/// Calls `each` with every line where it was read to, without its end.
fn each_line(file: &mut impl Read, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut room = vec![0; ROOM];
    let (mut start, mut end) = (0, 0);
    loop {
        if let Some(length) = memchr::memchr(b'\n', &room[start..end]) {
            each(&room[start..start + length])?;
            start += length + 1;
            continue;
        }
        room.copy_within(start..end, 0);
        (start, end) = (0, end - start);
        ensure!(end < ROOM, "a line is longer than {ROOM} bytes");
        let read = file.read(&mut room[end..])?;
        if read == 0 {
            ensure!(end == 0, "the last line has no end");
            return Ok(());
        }
        end += read;
    }
}

/// Seconds of `openssl dgst -sha256`.
fn openssl(file: &Path) -> Result<f64> {
    let start = Instant::now();
    let status = Command::new("openssl")
        .args(["dgst", "-sha256", "-out", "/dev/null"])
        .arg(file)
        .status();
    ensure!(
        status.context("running openssl")?.success(),
        "openssl failed"
    );
    Ok(start.elapsed().as_secs_f64())
}
