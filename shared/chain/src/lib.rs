//! The entry format: parsing, canonical bytes, hash chain, Merkle tree, checkpoints, proofs, verification.
//!
//! Data in, data out: never I/O, a clock, randomness or async.

pub mod checkpoint;
mod entry;
mod fault;
mod hash;
mod link;
pub mod note;
pub mod proof;
mod stored;
mod timestamp;
pub mod tile;
pub mod tree;
pub mod verify;

pub use entry::{Entry, Recorder, parse_bulk};
pub use fault::Fault;
pub use hash::{Hash, Salt};
pub use link::{Chain, Head, Link};
pub use stored::{Corrupt, Erased, Mask, Stored};
pub use timestamp::Timestamp;
