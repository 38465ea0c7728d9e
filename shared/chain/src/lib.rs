//! Veritrail's entry format, version 1: everything that can be said about an audit entry and its chain without a
//! network, a disk or a clock. Third parties verify with this crate alone; `docs/format.md` describes the same bytes for
//! other languages.
//!
//! Data in, data out: never I/O, a clock, randomness or async. No input panics; work and memory stay in proportion to
//! the input.
//!
//! # Where to start
//!
//! - Appending: [`Entry::parse`] or [`parse_bulk`] check a post and split it into `event` and personal parts;
//!   [`Head::link`] gives it its place and hash.
//! - Reading: a [`Stored`] entry gives its [document](Stored::document), [reading form](Stored::reading_form) and
//!   [evidence form](Stored::evidence_form), and [erases](Stored::erase) single parts without changing its hash.
//! - Verifying: a [`verify::Verifier`] follows one chain, from rows or from evidence lines, in constant memory.
//! - Proving: [`tree`], [`tile`], [`checkpoint`], [`note`] and [`proof`] are the C2SP and RFC 6962 parts around the
//!   entry hashes.
//!
//! # Example
//!
//! ```
//! use chain::verify::Verifier;
//! use chain::{Chain, Entry, Head, Mask, Recorder, Salt, Stored, Timestamp};
//! use uuid::Uuid;
//!
//! let chain = Chain {
//!     origin: "audit.example.com".into(),
//!     tenant: "acme".into(),
//!     partition: "default".into(),
//!     generation: 1,
//! };
//! let posted = br#"{"action": "user.login", "context": {"ip": "192.0.2.1"}}"#;
//! let recorder = Recorder { kind: "service", id: "billing" };
//! let entry = Entry::parse(posted, recorder, Uuid::from_u128(7)).expect("a good post");
//!
//! // The service draws the salt and asks the clock.
//! let salt = Salt([1; 16]);
//! let now: Timestamp = "2026-01-15T10:30:01.00025Z".parse().expect("a time");
//! let mut head = Head::empty(&chain);
//! let link = head.link(&chain.tenant, &entry, salt, now);
//!
//! let mut row = Stored::new(&chain, &entry, &link);
//! assert_eq!(row.parts.as_deref(), Some(r#"{"context":{"ip":"192.0.2.1"}}"#));
//! assert!(row.reading_form(Mask::Nothing)?.contains(r#""ip":"192.0.2.1""#));
//!
//! let mut verifier = Verifier::new(chain.clone());
//! verifier.line(row.evidence_form()?.as_bytes())?;
//! assert_eq!(verifier.head(), Some(head));
//!
//! row.event = row.event.replace("login", "logout");
//! let error = Verifier::new(chain).row(&row).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "entry 0: hash: not the hash of the document that the columns give"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cut;
mod digest;
mod entry;
mod fault;
mod forms;
mod hash;
mod json;
mod link;
mod post;
mod residue;
mod stored;
mod timestamp;

pub mod checkpoint;
pub mod note;
pub mod proof;
pub mod tile;
pub mod tree;
pub mod verify;

pub use entry::{Entry, Recorder, parse_bulk};
pub use fault::Fault;
pub use forms::Mask;
pub use hash::{Hash, NotHex, Salt};
pub use link::{Chain, Head, Link, Prepared};
pub use residue::Erased;
pub use stored::{Corrupt, Stored};
pub use timestamp::{NotATime, Timestamp};
