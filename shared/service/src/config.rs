//! Settings that every program has, as groups for `clap`. The only file here that reads the environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::http::HeaderValue;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::http::{Limits, Settings};

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
    /// The settings for [`crate::http::serve`]; an error names the variable.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        ensure!(self.max_connections > 0, "MAX_CONNECTIONS: at least 1");
        let connections = self
            .max_connections
            .min(tokio::sync::Semaphore::MAX_PERMITS);
        let origins = self.cors_origins.iter().map(|origin| self::origin(origin));
        Ok(Settings {
            limits: Limits {
                connections,
                body_bytes: self.max_body_bytes,
                tenant_body_bytes: self.max_tenant_body_bytes,
                drain: Duration::from_secs(self.drain_seconds),
                ..Limits::default()
            },
            cors_origins: origins.collect::<anyhow::Result<_>>()?,
        })
    }
}

/// `scheme://host[:port]` as browsers send it; no wildcard, since callers bring credentials.
fn origin(text: &str) -> anyhow::Result<HeaderValue> {
    let url = Url::parse(text).ok();
    let same = url.is_some_and(|url| url.origin().ascii_serialization() == text);
    ensure!(
        same,
        "CORS_ORIGINS: `{text}` is not an origin such as https://app.example.com"
    );
    HeaderValue::from_str(text).context("CORS_ORIGINS")
}

/// Logs and metrics.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Telemetry")]
pub struct Telemetry {
    /// Log level, or directives such as `info,log_service=debug`
    #[arg(long, env = "LOG", default_value = "info")]
    pub log: String,
    /// Port or address of /metrics, and of /readyz with the state of each check; a bare port is on
    /// loopback. Off when not set
    #[arg(long, env = "ADMIN_LISTEN", value_parser = admin_listen)]
    pub admin_listen: Option<SocketAddr>,
}

fn admin_listen(text: &str) -> Result<SocketAddr, &'static str> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let address = text.parse();
    address.map_err(|_| "not a port and not an address such as 127.0.0.1:9000")
}

/// The queue that tells indexer-workers of new entries.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Hints")]
pub struct Hints {
    /// `sqs://NAME`, or `postgres://…?queue=NAME`; without it new entries are found by a sweep every 30 s
    #[arg(long, env = "INDEX_QUEUE_URL", hide_env_values = true)]
    pub index_queue_url: Option<SecretString>,
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
        let file = self.internal_secret_file.as_deref();
        secret(self.internal_secret.as_ref(), file, "INTERNAL_SECRET")
    }
}

/// A secret from a setting or from a file (whose trailing line break is dropped). Both, neither or
/// an empty one is an error that names the variable.
pub fn secret(
    value: Option<&SecretString>,
    file: Option<&Path>,
    variable: &str,
) -> anyhow::Result<SecretString> {
    let secret = match (value, file) {
        (Some(value), None) => value.clone(),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("{variable}_FILE: {}", file.display()))?;
            SecretString::from(text.trim_end_matches(['\r', '\n']))
        }
        (Some(_), Some(_)) => bail!("{variable} and {variable}_FILE: set one of them"),
        (None, None) => bail!("{variable} or {variable}_FILE must be set"),
    };
    ensure!(!secret.expose_secret().is_empty(), "{variable}: empty");
    Ok(secret)
}
