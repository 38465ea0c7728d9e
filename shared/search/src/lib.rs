//! The index that is searched: OpenSearch, or tantivy in this process; chosen by one URL.
//!
//! It is never believed: a hit is a pointer to an entry of the ledger, where the filter is checked
//! again. It never knows who asks, and never learns a tenant's code.

mod busy;
mod config;
mod embedded;
mod error;
mod form;
mod histogram;
mod opensearch;
mod tally;
mod top;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chain::{Mask, Timestamp};
use query::{Document, Filter, Keyword, Order};
use uuid::Uuid;

pub use busy::Busy;
pub use config::{Config, Credentials, Settings};
pub use error::Error;
pub use form::{FORM, VISIBLE, WRITTEN, visible, written};
pub use histogram::{Histogram, Interval, MAX_BUCKETS, Zone};
pub use opensearch::wire;
pub use tally::Tally;

/// Most hits of one page.
pub const MAX_HITS: usize = 1_000;
/// Most values of one count.
pub const MAX_TOP: usize = 100;

/// What is counted, in the order of the fields of [`Stats`].
const COUNTED: [Keyword; 5] = [
    Keyword::Action,
    Keyword::Actor,
    Keyword::Severity,
    Keyword::Outcome,
    Keyword::TargetType,
];

/// One index a tenant. All calls are bounded in time; [`Error::Unavailable`] is the one error after
/// which trying again is right.
#[async_trait]
pub trait Search: fmt::Debug + Send + Sync {
    /// Makes the tenant's index, empty, where it has none; changes nothing where it has one. Only for
    /// a tenant of whom nothing was ever indexed: of any other, [`Error::Missing`] means that what
    /// was indexed is lost, and is answered by a rebuild.
    async fn create(&self, tenant: Uuid, placement: Placement) -> Result<(), Error>;

    /// Written when it returns: it stays as long as the index does, and an index that may have lost
    /// something is [`Error::Missing`] as a whole. Of two documents of one entry the higher version stays, whatever
    /// comes first; the same version again changes nothing. Documents that the index refuses for what
    /// they are come back, and all others are written; after an error any of them may be.
    async fn write(
        &self,
        tenant: Uuid,
        which: Which,
        documents: &[Document],
    ) -> Result<Vec<Refused>, Error>;

    /// What was written to the current index before this call is found from now on, by everybody.
    async fn refresh(&self, tenant: Uuid) -> Result<(), Error>;

    /// At most `ask.limit` hits in the order asked for, after `ask.after`.
    async fn find(&self, tenant: Uuid, ask: &Ask<'_>) -> Result<Vec<Hit>, Error>;

    /// Counts of what [`Search::find`] would find on all its pages.
    async fn stats(&self, tenant: Uuid, ask: &StatsAsk<'_>) -> Result<Stats, Error>;

    /// Makes the next index, empty, beside the current one (if there is one), which goes on to be
    /// searched and written. The next index of a rebuild that began before is thrown away, whether somebody
    /// is still at it or not: from then on he gets [`Error::Missing`], and what he writes reaches no other index.
    async fn begin_rebuild(&self, tenant: Uuid, placement: Placement) -> Result<Rebuild, Error>;

    /// Puts the next index of this very rebuild in the place of the current one, which is thrown away; what was
    /// written to it is found from now on. In one step for those who search. Nobody may write to the
    /// current index between the last write to the next one and the end of this call. It may be
    /// repeated: where that index is the current one already, it changes nothing. [`Error::Missing`]: another
    /// rebuild began since, and nothing was switched by this one, or it is over.
    async fn finish_rebuild(&self, tenant: Uuid, rebuild: Rebuild) -> Result<(), Error>;

    /// Throws everything of the tenant away; fine when there is nothing.
    async fn drop_tenant(&self, tenant: Uuid) -> Result<(), Error>;

    /// The form of the indices that this is about: those of another one are missing or outdated.
    fn form(&self) -> u32;

    /// Answers when the index could be asked.
    async fn ready(&self) -> Result<(), Error>;

    /// Answers when the index of every tenant could be asked.
    async fn ready_for_all(&self) -> Result<(), Error> {
        self.ready().await
    }

    /// Nothing is written any more after this, which waits for what is under way and for the disk.
    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The index that a URL names: `https://…` or `http://…`, an OpenSearch; `file:///…`, a directory that
/// one process alone uses.
pub async fn open(settings: Settings) -> Result<Arc<dyn Search>, Error> {
    match settings.url.scheme() {
        "file" => {
            let path = settings.url.to_file_path().map_err(|()| Error::Setting {
                setting: "INDEX_URL",
                message: "not the path of a directory".to_owned(),
            })?;
            let (busy, form) = (settings.busy.clone(), settings.form);
            Ok(Arc::new(embedded::Embedded::open(path, busy, form).await?))
        }
        "http" | "https" => Ok(Arc::new(
            Box::pin(opensearch::OpenSearch::open(&settings)).await?,
        )),
        _ => Err(Error::Setting {
            setting: "INDEX_URL",
            message: "neither https, http nor file".to_owned(),
        }),
    }
}

/// Where a tenant's documents are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// In an index of its own.
    #[default]
    Own,
    /// In one of a few indices that many small tenants share. The embedded index has none, and
    /// takes it for `Own`.
    Pooled,
}

/// Which index of a tenant is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The one that is searched.
    #[default]
    Current,
    /// The one that this rebuild fills.
    Next(Rebuild),
}

/// One rebuild of a tenant's index, told apart from all others of the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuild(Uuid);

/// A document that the index does not take, now or ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub partition: String,
    pub generation: u32,
    pub seq: u64,
    /// For operators; never quotes the document.
    pub reason: String,
}

/// Which entries are meant: `from <= seq < to` of one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub partition: String,
    pub generation: u32,
    pub from: u64,
    pub to: u64,
}

/// One page of a search.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub filter: &'a Filter,
    /// Entries outside are not found. None: nothing is found.
    pub windows: &'a [Window],
    /// With [`Mask::Personal`] nothing is found by a personal part.
    pub mask: Mask,
    pub order: Order,
    /// 1 to [`MAX_HITS`].
    pub limit: usize,
    /// The last hit of the page before.
    pub after: Option<Hit>,
}

/// Where an entry is. In order of time of receipt, then of chains by the bytes of their names, then of
/// seq.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub received_at: Timestamp,
    pub partition: String,
    pub generation: u32,
    pub seq: u64,
}

/// What is to be counted.
#[derive(Clone, Debug)]
pub struct StatsAsk<'a> {
    pub filter: &'a Filter,
    pub windows: &'a [Window],
    pub mask: Mask,
    /// Values of each count, the most frequent first; 1 to [`MAX_TOP`].
    pub top: usize,
    pub histogram: Option<Histogram>,
}

/// Counts of entries. Values that are as frequent are in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub total: u64,
    pub actions: Counts,
    /// Each value is the actor's type and id, with a colon between; the type has none in it.
    pub actors: Counts,
    /// An entry without a severity counts as `info`.
    pub severities: Counts,
    /// Entries without an outcome are in none.
    pub outcomes: Counts,
    /// An entry counts once for each type that one of its targets has.
    pub target_types: Counts,
    /// Without gaps, in order of time; empty when nothing was asked for or found.
    pub histogram: Vec<Bucket>,
}

/// How often the most frequent values occur.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub top: Vec<(String, u64)>,
    /// The sum over all other values.
    pub others: u64,
}

/// Entries received at `from` or later and before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub from: Timestamp,
    pub to: Timestamp,
    pub count: u64,
}
