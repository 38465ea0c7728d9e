//! What an operator can set; the only place that reads the environment.

use std::net::SocketAddr;

use clap::Args;
use secrecy::SecretString;

/// Settings of log-service. Each is an option and an environment variable.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// PostgreSQL URL of the database that holds schema `ledger`; its user is a member of
    /// `veritrail_append` and `veritrail_read`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,

    /// Name of the installation, as in `audit.example.com`; part of every chain, never changed
    #[arg(long, env = "ORIGIN")]
    pub origin: String,

    /// Append connections; more than one pays only with many cores
    #[arg(long, env = "LANES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub lanes: u16,

    /// Most connections that read
    #[arg(long, env = "READERS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub readers: u32,

    /// Accepts a database that can lose what it acknowledged; for tests only
    #[arg(skip)]
    pub allow_unsafe_server: bool,

    #[command(flatten)]
    pub auth: service::config::Auth,

    #[command(flatten)]
    pub hints: service::config::Hints,
}

/// Where the program on its own listens.
#[derive(Args, Clone, Debug)]
pub(crate) struct Listen {
    /// Address and port
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    pub(crate) listen: SocketAddr,
}
