//! What an operator can set; the only place that reads the environment.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use secrecy::SecretString;
use url::Url;

use crate::keys::Algorithm;
use crate::secret::Secret;

/// Settings of auth-service. Each is an option and an environment variable.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// PostgreSQL URL of the database that holds schema `auth`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,

    /// File with the installation's secret: 64 hex digits, e.g. from `openssl rand -hex 32`. The same for every replica; whoever loses it must make new signing keys.
    #[arg(long, env = "SECRET_FILE")]
    pub secret_file: PathBuf,

    /// Bearer secret of the status feed, shared with log-service; derived from the secret file when left out.
    #[arg(long, env = "INTERNAL_SECRET", hide_env_values = true)]
    pub internal_secret: Option<SecretString>,

    /// File that holds it instead.
    #[arg(long, env = "INTERNAL_SECRET_FILE")]
    pub internal_secret_file: Option<PathBuf>,

    /// Public address of this service: `iss` of its tokens, letter by letter, and where its discovery document points.
    #[arg(long, env = "ISSUER", default_value = "http://127.0.0.1:8001")]
    pub issuer: String,

    /// Address of log-service, where the outbox is delivered.
    #[arg(long, env = "LOG_URL", default_value = "http://127.0.0.1:8000")]
    pub log_url: Url,

    /// Page on which an invited person sets a password; the one-time token is appended as the fragment, which browsers do not send. Without it only the token is given out.
    #[arg(long, env = "INVITE_URL")]
    pub invite_url: Option<Url>,

    /// Algorithm of signing keys made from now on: `EdDSA`, or RS256 where a gateway needs it.
    #[arg(long, env = "SIGNING_ALGORITHM", default_value = "EdDSA")]
    pub signing_algorithm: Algorithm,

    /// Seconds for which a new signing key is published before it signs: longer than any cache of the key set.
    #[arg(long, env = "KEY_LEAD_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(30..=86_400))]
    pub key_lead_seconds: u32,

    /// Database connections of this process.
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,

    /// Passwords hashed at the same time; each takes a core and its memory. Default: half the cores, at least one.
    #[arg(long, env = "PASSWORD_THREADS")]
    pub password_threads: Option<usize>,

    /// Logins that may wait for a hashing thread; more are answered with 503.
    #[arg(long, env = "PASSWORD_QUEUE", default_value_t = 64)]
    pub password_queue: usize,

    /// Addresses of reverse proxies whose `x-forwarded-for` is believed, comma-separated.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpAddr>,

    /// Memory of one argon2id hash, in KiB.
    #[arg(long, env = "PASSWORD_MEMORY_KIB", default_value_t = 19_456, value_parser = clap::value_parser!(u32).range(19_456..=1_048_576))]
    pub password_memory_kib: u32,
}

impl Config {
    /// The secret and the status feed's bearer secret.
    pub(crate) fn secrets(&self) -> anyhow::Result<(Secret, SecretString)> {
        let secret = Secret::read(&self.secret_file).context("SECRET_FILE")?;
        let internal = match (&self.internal_secret, &self.internal_secret_file) {
            (None, None) => secret.internal(),
            (value, file) => {
                service::config::secret(value.as_ref(), file.as_deref(), "INTERNAL_SECRET")?
            }
        };
        Ok((secret, internal))
    }
}

/// Where the program on its own listens.
#[derive(Args, Clone, Debug)]
pub(crate) struct Listen {
    /// Address and port.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8001")]
    pub(crate) listen: SocketAddr,
}
