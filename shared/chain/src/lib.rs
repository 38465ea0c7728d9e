//! The entry format: parsing, canonical bytes, hash chain, Merkle tree, checkpoints, proofs, verification.
