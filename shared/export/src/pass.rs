//! One way through the ledger: from the stretches to the bytes of the file, a page at a time. It
//! holds no connection between pages and never more than two pages.

use bytes::Bytes;
use ledger::{Ledger, Limit, Tenant};
use query::Filter;

use crate::reading::{Damage, Error, Reading};
use crate::{File, Request, Stretch, Summary};

/// How far an export is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries written.
    pub rows: u64,
    /// Entries read, whether or not the filter took them.
    pub scanned: u64,
}

/// Ask [`Pass::next`] until there is no more, then [`Pass::summary`].
pub struct Pass {
    reading: Reading,
    filter: Filter,
    mask: chain::Mask,
    file: Option<File>,
    scanned: u64,
    rows: u64,
    ends: Vec<(Stretch, Option<chain::Hash>)>,
    summary: Option<Summary>,
}

impl Pass {
    pub fn new(
        ledger: Ledger,
        tenant: Tenant,
        request: &Request,
        stretches: &[Stretch],
        page: Limit,
    ) -> Self {
        Self {
            reading: Reading::new(ledger, tenant, request.times(), stretches, page),
            filter: request.filter.clone(),
            mask: request.mask(),
            file: Some(File::begin(request)),
            scanned: 0,
            rows: 0,
            ends: Vec::new(),
            summary: None,
        }
    }

    /// The bytes of the next page of entries, which may be none; `None` at the end. After
    /// [`Error::Ledger`] it may be asked again for the same page; after another error it is spent.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let Some(page) = self.reading.next().await? else {
            let (bytes, summary) = self.file.take().expect("not ended").end()?;
            self.summary = Some(summary);
            return Ok(Some(bytes));
        };
        self.scanned += page.rows.len() as u64;
        let mut asked = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let matches = self
                .filter
                .matches(&row.event, row.parts.as_deref(), self.mask);
            match matches {
                Ok(true) => asked.push(row),
                Ok(false) => {}
                Err(_) => return Err(damage(row, "event", "cannot be read").into()),
            }
        }
        file.add(asked.into_iter())
            .map_err(|(row, corrupt)| damage(row, corrupt.column, corrupt.message))?;
        self.rows = file.rows();
        self.ends.extend(page.ended);
        Ok(Some(file.take()?))
    }

    pub fn progress(&self) -> Progress {
        Progress {
            rows: self.rows,
            scanned: self.scanned,
        }
    }

    /// What the file is; `None` before the end.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// The stretches that were read to their end, each with the hash of its last entry: what the
    /// chain's evidence has to show as well.
    pub fn ends(&self) -> &[(Stretch, Option<chain::Hash>)] {
        &self.ends
    }
}

fn damage(row: &chain::Stored, place: &str, message: &str) -> Damage {
    Damage {
        partition: row.partition.clone(),
        generation: row.generation,
        seq: i64::try_from(row.seq).unwrap_or(i64::MAX),
        place: place.to_owned(),
        message: message.to_owned(),
    }
}
