//! Append, read, verify: the front of the audit trail.
