//! Request bodies: read after the credential, bounded in size, time and total memory.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::error::ApiError;
use crate::request;

/// What counts as progress: this much within one pause, or the end of the body. A sender of one
/// byte now and then is as bad as one that stopped.
const PROGRESS: usize = 16 * 1024;
/// The budget is taken in steps of this, so that a declared length costs nothing until it comes.
const STEP: usize = 64 * 1024;

/// What a process takes in bodies: how long and how much at once.
#[derive(Debug)]
pub(crate) struct Intake {
    pause: Duration,
    most: usize,
    tenant_most: usize,
    held: AtomicUsize,
    tenants: Mutex<HashMap<Uuid, usize>>,
}

impl Intake {
    pub(crate) fn new(pause: Duration, most: usize, tenant_most: usize) -> Self {
        Self {
            pause,
            most,
            tenant_most,
            held: AtomicUsize::new(0),
            tenants: Mutex::new(HashMap::new()),
        }
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, tenant: Uuid, bytes: usize) -> bool {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.most {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        let mut tenants = self.tenants();
        let held = tenants.entry(tenant).or_default();
        if held.saturating_add(bytes) > self.tenant_most {
            if *held == 0 {
                tenants.remove(&tenant);
            }
            drop(tenants);
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        *held += bytes;
        true
    }

    fn give_back(&self, tenant: Uuid, bytes: usize) {
        let mut tenants = self.tenants();
        if let Some(held) = tenants.get_mut(&tenant) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                tenants.remove(&tenant);
            }
        }
        drop(tenants);
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A body's share of the budget, given back on drop.
#[derive(Debug)]
struct Share {
    intake: Arc<Intake>,
    /// Callers without a tenant share the nil one, so that they are bounded together.
    tenant: Uuid,
    bytes: usize,
}

impl Share {
    /// Makes the share cover `needed` bytes of a body that will have `expected`.
    fn cover(&mut self, needed: usize, expected: usize) -> Result<(), ApiError> {
        if needed <= self.bytes {
            return Ok(());
        }
        let wanted = needed.max(expected.min(self.bytes + STEP));
        if !self.intake.take(self.tenant, wanted - self.bytes) {
            metrics::counter!("http_body_budget_refused_total").increment(1);
            let retry_after = Duration::from_secs(1);
            return Err(ApiError::TooMany { retry_after });
        }
        self.bytes = wanted;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.intake.give_back(self.tenant, self.bytes);
        }
    }
}

/// A body that is not read yet. Take it as the last argument of a handler, after
/// [`crate::Caller`]: a client that waits for `100 Continue` gets it when reading begins.
#[derive(Debug)]
pub struct Upload {
    headers: HeaderMap,
    body: Body,
}

/// A body in memory; its share of the budget is given back when this is dropped. Keep it for as
/// long as what was parsed from it is in memory.
#[derive(Debug)]
pub struct Held {
    bytes: Bytes,
    #[expect(dead_code, reason = "held for its drop")]
    share: Option<Share>,
}

impl Upload {
    /// Reads a JSON body of at most `limit` bytes: 415 for another content type, 413 when longer
    /// (by `content-length` before anything is read), 408 when it stops coming, 429 when the
    /// process or the tenant holds too many body bytes already.
    pub async fn read_json(self, limit: usize) -> Result<Held, ApiError> {
        self.read("application/json", limit).await
    }

    /// The same for another media type, which is compared without its parameters. A `charset`
    /// other than UTF-8 and any `content-encoding` are refused (415).
    pub async fn read(self, media_type: &str, limit: usize) -> Result<Held, ApiError> {
        if !accepts(&self.headers, media_type) {
            return Err(ApiError::UnsupportedMediaType);
        }
        let declared = self.headers.get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(ApiError::TooLarge);
        }
        let context = request::current();
        let pause = context.as_ref().map(|context| context.intake.pause);
        let mut share = context.map(|context| Share {
            tenant: context
                .identity()
                .and_then(|identity| identity.tenant)
                .unwrap_or_default(),
            intake: Arc::clone(&context.intake),
            bytes: 0,
        });
        let bytes = collect(self.body, limit, declared, pause, share.as_mut()).await?;
        Ok(Held { bytes, share })
    }
}

/// Reads to the end. Dropped half-way (the client went away), it gives everything back.
async fn collect(
    mut body: Body,
    limit: usize,
    declared: Option<usize>,
    pause: Option<Duration>,
    mut share: Option<&mut Share>,
) -> Result<Bytes, ApiError> {
    let pause = pause.unwrap_or(Duration::from_secs(30));
    let mut deadline = Instant::now() + pause;
    let mut progress = 0;
    let mut only = Bytes::new();
    let mut joined = BytesMut::new();
    loop {
        let frame = timeout_at(deadline, body.frame()).await;
        let Some(frame) = frame.map_err(|_| ApiError::Timeout)? else {
            break;
        };
        let Ok(chunk) = frame.map_err(|_| broken())?.into_data() else {
            // Trailers carry nothing that we use.
            continue;
        };
        let so_far = only.len() + joined.len() + chunk.len();
        if so_far > limit {
            return Err(ApiError::TooLarge);
        }
        if let Some(share) = share.as_deref_mut() {
            share.cover(so_far, declared.unwrap_or(so_far))?;
        }
        progress += chunk.len();
        if progress >= PROGRESS {
            deadline = Instant::now() + pause;
            progress = 0;
        }
        // Most bodies come in one piece, which is then not copied.
        if so_far == chunk.len() {
            only = chunk;
        } else {
            if joined.is_empty() {
                joined.reserve(declared.unwrap_or(0).clamp(so_far, so_far + STEP));
                joined.extend_from_slice(&std::mem::take(&mut only));
            }
            joined.extend_from_slice(&chunk);
        }
    }
    Ok(if joined.is_empty() {
        only
    } else {
        joined.freeze()
    })
}

fn broken() -> ApiError {
    ApiError::BadRequest {
        code: "body_broken",
        detail: "the body ended early or is not framed as its headers say".into(),
    }
}

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(given), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(given) = given.to_str() else {
        return false;
    };
    let mut parts = given.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    essence.eq_ignore_ascii_case(media_type)
        && utf8
        && !headers.contains_key(header::CONTENT_ENCODING)
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        Ok(Self { headers, body })
    }
}
