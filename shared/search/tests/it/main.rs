//! One suite that both implementations pass: an OpenSearch (`OPENSEARCH_URL`), and the embedded index in
//! a directory of its own. What is pinned here is pinned for both.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod blocked;
mod contract;
mod down;
mod entries;
mod health;
#[cfg(target_os = "linux")]
mod machine;
mod merging;
mod opensearch;
mod paging;
mod pinned;
mod random;
mod rebuild;
mod world;
mod writing;
