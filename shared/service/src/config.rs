//! Settings that every program has, as groups for `clap`. The only file here that reads the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::SecretString;
use url::Url;

use crate::http::Settings;

/// Limits and browser access of the public listener.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct Http {
    /// Origins that browsers may call from, comma-separated; none: CORS is off
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// Connections at once; more wait
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: usize,
    /// Bytes of request bodies held in memory, for all tenants together
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = 128 * 1024 * 1024)]
    pub max_body_bytes: usize,
    /// Bytes of request bodies held in memory for one tenant
    #[arg(long, env = "MAX_TENANT_BODY_BYTES", default_value_t = 48 * 1024 * 1024)]
    pub max_tenant_body_bytes: usize,
    /// Seconds that requests in progress may go on after a stop was asked for
    #[arg(long, env = "DRAIN_SECONDS", default_value_t = 20)]
    pub drain_seconds: u64,
}

impl Http {
    pub fn settings(&self) -> anyhow::Result<Settings> {
        todo!()
    }
}

/// Logs and metrics.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Telemetry")]
pub struct Telemetry {
    /// Log level, or directives such as `info,log_service=debug`
    #[arg(long, env = "LOG", default_value = "info")]
    pub log: String,
    /// Address of /metrics
    #[arg(long, env = "ADMIN_LISTEN")]
    pub admin_listen: Option<SocketAddr>,
}

/// Where tokens come from, for a service that is not auth-service.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Authentication")]
pub struct Auth {
    /// Base address of auth-service
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:8001")]
    pub auth_url: Url,
    /// Issuer that tokens must name
    #[arg(long, env = "ISSUER", default_value = "http://127.0.0.1:8001")]
    pub issuer: String,
    #[command(flatten)]
    pub internal: InternalSecret,
}

/// The secret that services share for the status feed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Authentication")]
pub struct InternalSecret {
    /// Secret of the status feed, shared by all services
    #[arg(long, env = "INTERNAL_SECRET", hide_env_values = true)]
    pub internal_secret: Option<SecretString>,
    /// File that holds it instead
    #[arg(long, env = "INTERNAL_SECRET_FILE")]
    pub internal_secret_file: Option<PathBuf>,
}

impl InternalSecret {
    /// The secret from the setting or the file; an error names the variables when neither is set.
    pub fn resolve(&self) -> anyhow::Result<SecretString> {
        todo!()
    }
}

/// A secret from a setting or from a file (whose trailing line break is dropped). Both or neither
/// is an error that names the variable.
pub fn secret(
    value: Option<&SecretString>,
    file: Option<&Path>,
    variable: &str,
) -> anyhow::Result<SecretString> {
    let _ = (value, file, variable);
    todo!()
}
