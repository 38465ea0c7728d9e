//! The server loop with its limits, and the one middleware that everything passes.

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::shutdown::Shutdown;

/// What one process takes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first byte of a request (or the connection's idling) to the end of its headers.
    pub header_timeout: Duration,
    /// Longest pause in a body, and in the client's reading of an answer.
    pub body_timeout: Duration,
    /// Connections at once; more wait in the kernel's backlog.
    pub connections: usize,
    /// Request line and headers together, in bytes; more is 431. At least 8,192.
    pub header_bytes: usize,
    /// Bytes of bodies in memory, for all tenants together; more is 429.
    pub body_bytes: usize,
    /// Bytes of bodies in memory for one tenant; more is 429.
    pub tenant_body_bytes: usize,
    /// How long requests in progress may go on after the stop was asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            connections: 4096,
            header_bytes: 16 * 1024,
            body_bytes: 128 * 1024 * 1024,
            tenant_body_bytes: 48 * 1024 * 1024,
            drain: Duration::from_secs(20),
        }
    }
}

/// How a process serves.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub limits: Limits,
    /// Origins that browsers may call from; none: no CORS headers at all.
    pub cors_origins: Vec<String>,
}

/// A router with the middleware and the fallbacks: what [`serve`] serves, and what tests call by
/// `oneshot`.
pub fn app(router: Router, settings: &Settings) -> Router {
    let _ = settings;
    router
}

/// Serves until `shutdown`, then finishes requests in progress for at most `limits.drain`. Wraps
/// the router by [`app`] itself.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let _ = (listener, app(router, &settings), shutdown);
    todo!()
}
