//! The server loop with its limits, and the one middleware that everything passes.
//!
//! hyper refuses what is not HTTP by itself (400, 431 without a document); everything that gets as
//! far as a router is answered through the boundary.

mod boundary;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::{Router, body::Body};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tower_http::cors::CorsLayer;

use self::boundary::Boundary;
use self::stream::Stream;
use crate::body::Intake;
use crate::error::ApiError;
use crate::request;
use crate::shutdown::Shutdown;

/// What one process takes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the connection's becoming idle, or its start, to the end of a request's headers.
    pub header_timeout: Duration,
    /// Longest time without progress in a body, and in the client's taking of an answer.
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
    pub cors_origins: Vec<HeaderValue>,
}

/// A router with the middleware and the fallbacks: what [`serve`] serves, and what tests call by
/// `oneshot`.
pub fn app(router: Router, settings: &Settings) -> Router {
    let limits = &settings.limits;
    let intake = Intake::new(
        limits.body_timeout,
        limits.body_bytes,
        limits.tenant_body_bytes,
    );
    let router = router
        .fallback(async || ApiError::NotFound)
        .layer(Boundary::new(Arc::new(intake)));
    if settings.cors_origins.is_empty() {
        return router;
    }
    router.layer(cors(settings.cors_origins.clone()))
}

fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("last-event-id"),
        request::X_REQUEST_ID,
        request::TRACEPARENT,
    ];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        .allow_headers(headers)
        .expose_headers([request::X_REQUEST_ID, header::RETRY_AFTER])
        .max_age(Duration::from_hours(1))
}

/// Serves until `shutdown`, then finishes requests in progress for at most `limits.drain`. Wraps
/// the router by [`app`] itself, and puts `ConnectInfo<SocketAddr>` into each request.
///
/// A connection that was upgraded is its handler's from then on: it counts neither against
/// `limits.connections` nor as in progress, so the handler bounds and ends it.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let app = app(router, &settings);
    let limits = settings.limits;
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    let ending = CancellationToken::new();
    let cut = CancellationToken::new();
    let _cut_on_drop = cut.clone().drop_guard();
    loop {
        // A place first: over the cap nobody is accepted and nobody who was is kept waiting.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.wait() => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let connection = serve_connection(socket, peer, app.clone(), &limits, ending.clone());
        let cut = cut.clone();
        connections.spawn(async move {
            metrics::gauge!("http_connections").increment(1);
            tokio::select! {
                () = connection => {}
                () = cut.cancelled() => {}
            }
            metrics::gauge!("http_connections").decrement(1);
            drop(place);
        });
    }
    drop(listener);
    ending.cancel();
    connections.close();
    let drained = tokio::time::timeout(limits.drain, connections.wait());
    if drained.await.is_err() {
        tracing::warn!("requests were still in progress after the drain time and were cut off");
    }
    Ok(())
}

/// Out of descriptors or memory, accepting again at once would spin; a connection that died in
/// the backlog is no reason to wait.
async fn pause_after(error: &std::io::Error) {
    use std::io::ErrorKind as Kind;
    let theirs = [
        Kind::ConnectionAborted,
        Kind::ConnectionReset,
        Kind::ConnectionRefused,
    ];
    if !theirs.contains(&error.kind()) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn serve_connection(
    socket: TcpStream,
    peer: SocketAddr,
    app: Router,
    limits: &Limits,
    ending: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    // Small answers must not wait for acknowledgements; where it fails the connection is gone.
    let _ = socket.set_nodelay(true);
    let io = TokioIo::new(Stream::new(socket, limits.body_timeout));
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().call(request)
    });
    // Not hyper-util's builder for every version: it waits without end for the first bytes.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes.max(8192))
        .serve_connection(io, service)
        .with_upgrades();
    async move {
        let mut connection = std::pin::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = ending.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // Clients that go away or do not speak HTTP are everyday matters.
        if let Err(error) = outcome {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}
