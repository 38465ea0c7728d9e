//! The ledger on a real PostgreSQL, each test on a database of its own. Needs `DATABASE_URL` of a
//! superuser on a server where databases may be created; TimescaleDB is used where it is there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod appending;
mod auditing;
mod damaged;
mod database;
mod following;
mod given_up;
mod independent;
mod login;
mod outages;
mod paging;
mod places;
mod reading;
mod refusing;
mod replicas;
mod tailing;
