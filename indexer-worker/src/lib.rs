//! From the ledger into the search index.
