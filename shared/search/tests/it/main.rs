//! One suite that both implementations pass: an OpenSearch (`OPENSEARCH_URL`), and the embedded index in
//! a directory of its own. What is pinned here is pinned for both. Requests are signed with what
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_REGION` say; certificates are made by `openssl`.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod blocked;
mod contract;
mod credentials;
mod down;
mod entries;
mod forms;
mod front;
mod health;
mod late;
#[cfg(target_os = "linux")]
mod machine;
mod merging;
mod opensearch;
mod paging;
mod pinned;
mod primary;
mod random;
mod rebuild;
mod strict;
mod world;
mod writing;
