//! What an export is: what is asked for, the bytes that answer it, and the job that makes them.
//!
//! The same request over the same chains gives the same bytes, however often and by whomever it is
//! done. It never serves a request and never touches an object: log-service and export-worker do.

mod csv;
mod file;
mod hint;
pub mod jobs;
mod pass;
mod reading;
mod request;

pub use bytes::Bytes;
pub use chain::Hash;
pub use csv::COLUMNS;
pub use file::{File, Summary};
pub use hint::Hint;
pub use jobs::{Job, Jobs};
pub use pass::{Pass, Progress};
pub use reading::{Damage, Error, PAGE};
pub use request::{Format, Request, Stretch, stretches};
