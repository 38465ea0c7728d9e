//! The bytes of an export, from its entries. The bytes follow from the entries and the request
//! alone: neither the size of pages nor the time is in them.

use std::io::Write as _;

use bytes::Bytes;
use chain::{Corrupt, Mask, Stored};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use crate::csv::{self, Table};
use crate::{Format, Request};

/// What is compressed at a time. Fixed, so that what the compressor finds does not depend on pages.
const BLOCK: usize = 128 << 10;

/// What a finished file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Entries in it.
    pub rows: u64,
    pub bytes: u64,
    /// Of the file as it is, compressed or not.
    pub sha256: [u8; 32],
}

/// A file as it grows.
pub struct File {
    format: Format,
    mask: Mask,
    plain: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    digest: Sha256,
    summary: Summary,
}

impl File {
    pub fn begin(request: &Request) -> Self {
        let mut plain = Vec::new();
        if request.format == Format::Csv {
            csv::header(&mut plain);
        }
        // No time, no name, no operating system in the header.
        let gzip = request.gzip.then(|| {
            GzBuilder::new()
                .mtime(0)
                .operating_system(255)
                .write(Vec::new(), Compression::default())
        });
        Self {
            format: request.format,
            mask: request.mask(),
            plain,
            gzip,
            digest: Sha256::new(),
            summary: Summary {
                rows: 0,
                bytes: 0,
                sha256: [0; 32],
            },
        }
    }

    /// Adds entries that belong to the export.
    ///
    /// # Errors
    /// The first entry that is not one of the format; the file is of no use then.
    pub fn add<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Stored>,
    ) -> Result<(), (&'a Stored, Corrupt)> {
        if self.format == Format::Csv {
            let mut table = Table::new(&mut self.plain);
            for row in rows {
                table
                    .row(row, self.mask)
                    .map_err(|corrupt| (row, corrupt))?;
                self.summary.rows += 1;
            }
            return Ok(());
        }
        for row in rows {
            let form = match self.format {
                Format::Evidence => row.evidence_form(),
                Format::Csv | Format::Jsonl => row.reading_form(self.mask),
            };
            let form = form.map_err(|corrupt| (row, corrupt))?;
            self.plain.extend_from_slice(form.as_bytes());
            self.plain.push(b'\n');
            self.summary.rows += 1;
        }
        Ok(())
    }

    /// What is ready since the last time.
    ///
    /// # Errors
    /// Never in practice: everything is in memory.
    pub fn take(&mut self) -> std::io::Result<Bytes> {
        let ready = if let Some(gzip) = &mut self.gzip {
            let whole = self.plain.len() / BLOCK * BLOCK;
            for block in self.plain[..whole].chunks(BLOCK) {
                gzip.write_all(block)?;
            }
            self.plain.drain(..whole);
            std::mem::take(gzip.get_mut())
        } else {
            std::mem::take(&mut self.plain)
        };
        Ok(self.count(ready))
    }

    /// The rest, and what the whole is.
    ///
    /// # Errors
    /// Never in practice: everything is in memory.
    pub fn end(mut self) -> std::io::Result<(Bytes, Summary)> {
        let mut rest = self.take()?;
        if let Some(mut gzip) = self.gzip.take() {
            gzip.write_all(&std::mem::take(&mut self.plain))?;
            let compressed = gzip.finish()?;
            let before = rest;
            let after = self.count(compressed);
            rest = [before, after].concat().into();
        }
        let mut summary = self.summary;
        summary.sha256 = self.digest.finalize().into();
        Ok((rest, summary))
    }

    /// Entries so far.
    pub fn rows(&self) -> u64 {
        self.summary.rows
    }

    fn count(&mut self, ready: Vec<u8>) -> Bytes {
        self.digest.update(&ready);
        self.summary.bytes += ready.len() as u64;
        ready.into()
    }
}
