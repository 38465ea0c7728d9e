//! The entry format: parsing, canonical bytes, hash chain, Merkle tree, checkpoints, proofs, verification.
//!
//! Data in, data out: never I/O, a clock, randomness or async.

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
pub mod verify;

pub mod checkpoint;
pub mod note;
pub mod proof;
pub mod tile;
pub mod tree;

pub use entry::{Entry, Recorder, parse_bulk};
pub use fault::Fault;
pub use forms::Mask;
pub use hash::{Hash, Salt};
pub use link::{Chain, Head, Link};
pub use residue::Erased;
pub use stored::{Corrupt, Stored};
pub use timestamp::Timestamp;
