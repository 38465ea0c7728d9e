//! Entries of the stretches in key order, read in short statements and verified while they are
//! read. It never gives out an entry before its hash and its link were recomputed.

use std::collections::VecDeque;

use chain::verify::Verifier;
use chain::{Chain, Hash, Stored, Timestamp};
use ledger::{Ledger, Limit, Order, Range, Tenant, Times};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::Stretch;

/// Of one statement: what is in memory is about two of these, one at work and one on its way.
pub const PAGE: Limit = Limit {
    rows: 1_000,
    bytes: 1 << 20,
};

/// What stands in the ledger is not what was recorded; an export that meets it fails and names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{partition}/{seq}: {place}: {message}")]
pub struct Damage {
    pub partition: String,
    pub generation: u32,
    pub seq: i64,
    /// The column or member that is wrong.
    pub place: String,
    pub message: String,
}

/// Why an export cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the ledger cannot be read")]
    Ledger(#[source] ledger::Error),
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Written by a later version of the format.
    #[error("{partition}/{seq} has an unknown format version")]
    UnknownVersion { partition: String, seq: u64 },
    #[error("cannot write the file")]
    Write(#[from] std::io::Error),
}

/// Where the reading of one stretch stands.
struct Place {
    stretch: Stretch,
    verifier: Verifier,
    next: u64,
    /// The stretch's end, and the one entry beyond it that is only looked at.
    end: u64,
    /// Of the stretch's last entry, once it was met.
    last: Option<Hash>,
}

pub(crate) struct Reading {
    ledger: Ledger,
    tenant: Tenant,
    times: Times,
    limit: Limit,
    waiting: VecDeque<Stretch>,
    place: Option<Place>,
    /// The next page, asked for before this one was worked on.
    ahead: Option<JoinHandle<Result<Vec<Stored>, ledger::Error>>>,
}

/// A page of verified entries that belong to the export, and what its last hash is.
pub(crate) struct Page {
    pub(crate) rows: Vec<Stored>,
    /// The stretch that ended with this page, with the hash of its last entry.
    pub(crate) ended: Option<(Stretch, Option<Hash>)>,
}

impl Reading {
    pub(crate) fn new(
        ledger: Ledger,
        tenant: Tenant,
        times: Times,
        stretches: &[Stretch],
        limit: Limit,
    ) -> Self {
        Self {
            ledger,
            tenant,
            times,
            limit,
            waiting: stretches.iter().cloned().collect(),
            place: None,
            ahead: None,
        }
    }

    /// `None` after the last page. May be dropped and asked again.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, Error> {
        if self.place.is_none() {
            let Some(stretch) = self.waiting.pop_front() else {
                return Ok(None);
            };
            if stretch.from >= stretch.to {
                let ended = Some((stretch, None));
                return Ok(Some(Page {
                    rows: Vec::new(),
                    ended,
                }));
            }
            let place = self.begin(stretch);
            self.ahead = Some(self.ask(&place));
            self.place = Some(place);
        }
        let ahead = self.ahead.as_mut().expect("a page is on its way");
        let rows = match ahead.await {
            Ok(rows) => rows.map_err(|error| self.unread(error)),
            Err(stopped) => Err(Error::Ledger(ledger::Error::Unavailable(sqlx::Error::Io(
                std::io::Error::other(stopped),
            )))),
        };
        self.ahead = None;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                // Asked again, it is this page that comes.
                let place = self.place.as_ref().expect("at a place");
                self.ahead = Some(self.ask(place));
                return Err(error);
            }
        };
        self.take(rows).map(Some)
    }

    fn begin(&self, stretch: Stretch) -> Place {
        let chain = Chain {
            origin: self.ledger.origin().to_owned(),
            tenant: self.tenant.code.clone(),
            partition: stretch.partition.clone(),
            generation: stretch.generation,
        };
        // The neighbours show that the times cut where they should: they are hashed, and never go back.
        let before = u64::from(self.times.from.is_some() && stretch.from > 0);
        let beyond = u64::from(self.times.to.is_some() && stretch.beyond);
        let next = stretch.from - before;
        Place {
            verifier: Verifier::starting_at(chain, next),
            next,
            end: stretch.to + beyond,
            last: None,
            stretch,
        }
    }

    /// Asks for what comes at this place; the statement goes on by itself when nobody waits for it.
    fn ask(&self, place: &Place) -> JoinHandle<Result<Vec<Stored>, ledger::Error>> {
        let range = Range {
            generation: Some(place.stretch.generation),
            from: place.next,
            to: place.end,
            order: Order::Ascending,
            limit: self.limit,
        };
        let (ledger, tenant) = (self.ledger.clone(), self.tenant.clone());
        let partition = place.stretch.partition.clone();
        tokio::spawn(async move { ledger.range(&tenant, &partition, range).await })
    }

    fn take(&mut self, mut rows: Vec<Stored>) -> Result<Page, Error> {
        let mut place = self.place.take().expect("at a place");
        let Some(last) = rows.last() else {
            return Err(place.damage(place.next, "seq", "the entry is gone").into());
        };
        place.next = last.seq.saturating_add(1);
        let more = place.next < place.end;
        if more {
            // On its way while this one is worked on.
            self.ahead = Some(self.ask(&place));
        }
        for row in &rows {
            place.verify(row)?;
            place.check_time(row, self.times)?;
            if row.seq + 1 == place.stretch.to {
                place.last = Some(row.hash);
            }
        }
        let (from, to) = (place.stretch.from, place.stretch.to);
        rows.retain(|row| (from..to).contains(&row.seq));
        let mut ended = None;
        if more {
            self.place = Some(place);
        } else {
            ended = Some((place.stretch, place.last));
        }
        Ok(Page { rows, ended })
    }

    fn unread(&self, error: ledger::Error) -> Error {
        match (error, &self.place) {
            (ledger::Error::Damaged { seq, what, .. }, Some(place)) => {
                let mut damage = place.damage(0, what, "the stored row is damaged");
                damage.seq = seq;
                damage.into()
            }
            (error, _) => Error::Ledger(error),
        }
    }
}

impl Place {
    fn damage(&self, seq: u64, place: &str, message: &str) -> Damage {
        Damage {
            partition: self.stretch.partition.clone(),
            generation: self.stretch.generation,
            seq: i64::try_from(seq).unwrap_or(i64::MAX),
            place: place.to_owned(),
            message: message.to_owned(),
        }
    }

    fn verify(&mut self, row: &Stored) -> Result<(), Error> {
        use chain::verify::Error as Wrong;
        match self.verifier.row(row).map(drop) {
            Ok(()) => Ok(()),
            Err(Wrong::Wrong {
                seq,
                place,
                message,
            }) => Err(self.damage(seq, &place, &message).into()),
            Err(Wrong::UnknownVersion { seq, .. }) => Err(Error::UnknownVersion {
                partition: self.stretch.partition.clone(),
                seq,
            }),
        }
    }

    /// A verified time on the wrong side of the stretch's bounds means that the rows through which
    /// the bounds were found are not what they were.
    fn check_time(&self, row: &Stored, times: Times) -> Result<(), Error> {
        let before = |moment: Option<Timestamp>| moment.is_some_and(|at| row.received_at < at);
        let at_or_after =
            |moment: Option<Timestamp>| moment.is_some_and(|at| row.received_at >= at);
        let wrong = if row.seq < self.stretch.from {
            !before(times.from)
        } else if row.seq >= self.stretch.to {
            !at_or_after(times.to)
        } else {
            before(times.from) || at_or_after(times.to)
        };
        if wrong {
            let message = "not within the times by which it was found";
            return Err(self.damage(row.seq, "received_at", message).into());
        }
        Ok(())
    }
}
