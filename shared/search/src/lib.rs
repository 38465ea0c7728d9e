//! The index that is searched: OpenSearch or embedded.
