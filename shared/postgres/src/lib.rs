//! A PostgreSQL of one's own: its programs found or installed, a private cluster made in a folder,
//! started, watched and stopped. It knows no schema and no entry.
//!
//! Start at [`Postgres::start`].

mod account;
mod binaries;
mod cluster;
mod config;
pub mod durable;
mod install;
mod look;
mod postmaster;
mod server;
mod settings;

pub use look::would_run;
pub use server::{Postgres, Wanted};
