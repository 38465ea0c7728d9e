//! What a reader may ask of the trail: a filter, an order, a page size and a cursor, read from a
//! URL's query, matching a stored entry against the filter, and what an index must know of an entry
//! to find it by the same filter.
//!
//! It never does I/O and knows neither tenants nor permissions; whoever reads the ledger checks
//! both, also for the partitions that a cursor names.

mod cursor;
mod document;
mod filter;
pub mod follow;
mod keyword;
mod leaves;
mod matching;
mod metadata;
mod question;
mod text;
mod urlencoded;
mod words;

pub use cursor::{Cursor, MAX_CHAINS, Remaining};
pub use document::{Document, Kept, Unindexable};
pub use filter::{Filter, MAX_CONDITIONS, is_partition_name};
pub use follow::{Follow, Next, Position, Reach};
pub use keyword::Keyword;
pub use leaves::MAX_LEAF;
pub use matching::Unreadable;
pub use question::{DEFAULT_LIMIT, MAX_LIMIT, Question};
pub use text::{Clause, Form, Occurs, Text};
pub use urlencoded::pairs;
pub use words::{MAX_WORD, each_word, words};

/// The direction of a page: by (`received_at`, partition, seq).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first, as a reader expects of a log.
    #[default]
    Descending,
}

/// One reason why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `query.<parameter>`, or `query` for the query as a whole.
    pub path: String,
    /// What is wrong, lower-case, without a full stop; never repeats the value.
    pub message: &'static str,
}

impl Fault {
    fn new(parameter: &str, message: &'static str) -> Self {
        Self {
            path: format!("query.{parameter}"),
            message,
        }
    }
}
