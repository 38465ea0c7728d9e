//! From the ledger into the object store: export jobs.
