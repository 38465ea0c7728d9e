//! What a ledger needs to know. Never reads the environment.

use std::time::Duration;

use secrecy::SecretString;

/// Settings of one ledger; [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Connection URL of a login role that is a member of `veritrail_append` and `veritrail_read`.
    pub url: SecretString,
    /// The installation's name, which every chain's genesis hash contains: `audit.example.com`.
    pub origin: String,
    /// Append connections. One is at work as long as it is not busy; the others keep chains from
    /// waiting behind each other's thousands of entries.
    pub lanes: usize,
    /// Upper bound of reading connections.
    pub readers: u32,
    /// Upper bound of canonical bytes waiting in one lane; beyond it appends are `Overloaded`.
    pub queue_bytes: usize,
    /// How long an append may wait for its answer. Past it the outcome is unknown to the caller.
    pub append_timeout: Duration,
    /// How long a reader waits for a connection.
    pub acquire_timeout: Duration,
    /// Accepts a server with `fsync` or `full_page_writes` off. For tests and throwaway data only.
    pub allow_unsafe_server: bool,
}

impl Config {
    pub fn new(url: SecretString, origin: String) -> Self {
        Self {
            url,
            origin,
            lanes: 4,
            readers: 8,
            queue_bytes: 64 << 20,
            append_timeout: Duration::from_secs(30),
            acquire_timeout: Duration::from_secs(5),
            allow_unsafe_server: false,
        }
    }
}
