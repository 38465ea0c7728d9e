//! What belongs to the request at hand: its id, its trace, whom it is from, how its body is
//! bounded. Task-local: a spawned task is outside of the request.

use std::borrow::Cow;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::body::Intake;
use crate::caller::{Caller, Principal};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest inbound request id that is taken over.
const MAX_ID_BYTES: usize = 128;
/// Longest `tracestate` that is passed on (W3C Trace Context §3.3.1.5 asks for at least this).
const MAX_TRACESTATE_BYTES: usize = 512;

tokio::task_local! {
    static CURRENT: Arc<Context>;
}

/// Everything the boundary knows about one request.
#[derive(Debug)]
pub(crate) struct Context {
    id: HeaderValue,
    trace: Trace,
    tracestate: Option<HeaderValue>,
    identity: OnceLock<Identity>,
    pub(crate) intake: Arc<Intake>,
}

/// Whom the request turned out to be from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) principal: Principal,
    pub(crate) tenant: Option<Uuid>,
}

impl Context {
    pub(crate) fn new(headers: &HeaderMap, intake: Arc<Intake>) -> Self {
        let trace = Trace::from_headers(headers);
        let id = inbound_id(headers).unwrap_or_else(|| trace.trace_id());
        let tracestate = headers.get(TRACESTATE);
        Self {
            id,
            tracestate: tracestate
                .filter(|state| state.len() <= MAX_TRACESTATE_BYTES)
                .cloned(),
            trace,
            identity: OnceLock::new(),
            intake,
        }
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        self.identity.get().copied()
    }

    pub(crate) fn id_header(&self) -> HeaderValue {
        self.id.clone()
    }

    pub(crate) fn traceparent(&self) -> HeaderValue {
        self.trace.to_header()
    }

    /// Runs a future inside of this request.
    pub(crate) fn scope<F: Future>(self: Arc<Self>, inner: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, inner)
    }

    /// Runs a function inside of this request.
    pub(crate) fn enter<T>(self: &Arc<Self>, inner: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Arc::clone(self), inner)
    }
}

pub(crate) fn current() -> Option<Arc<Context>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Notes whom the request is from, for the access log and the budget of its body.
pub(crate) fn identify(caller: &Caller) {
    let identity = Identity {
        principal: caller.principal,
        tenant: caller.tenant.as_ref().map(|tenant| tenant.id),
    };
    // A second extractor in the same handler finds the same caller.
    let _ = CURRENT.try_with(|context| context.identity.set(identity));
}

/// The id of the request that this task is working on; None outside of one.
pub fn id() -> Option<String> {
    with_id(|id| Cow::into_owned(id.into()))
}

pub(crate) fn with_id<T>(use_id: impl FnOnce(&str) -> T) -> Option<T> {
    let read = |context: &Arc<Context>| context.id.to_str().ok().map(use_id);
    CURRENT.try_with(read).ok().flatten()
}

/// Adds `traceparent` (W3C Trace Context), `tracestate` and `x-request-id` to an outgoing call
/// made for the request at hand. Does nothing outside of one.
pub fn propagate(headers: &mut HeaderMap) {
    let Some(context) = current() else { return };
    headers.insert(TRACEPARENT, context.traceparent());
    headers.insert(X_REQUEST_ID, context.id_header());
    if let Some(state) = &context.tracestate {
        headers.insert(TRACESTATE, state.clone());
    }
}

/// An inbound id is taken over when it is one header of 1–128 characters that are harmless in
/// logs, headers and addresses.
fn inbound_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    let id = given.next()?;
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let sane = (1..=MAX_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(harmless);
    (sane && given.next().is_none()).then(|| id.clone())
}

/// A position in a trace: the caller's trace, or a new one, with a span id of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    id: u128,
    span: u64,
    flags: u8,
}

impl Trace {
    fn from_headers(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(TRACEPARENT).iter();
        let inbound = match (given.next(), given.next()) {
            (Some(only), None) => Self::parse(only.as_bytes()),
            _ => None,
        };
        let (id, flags) = inbound.map_or_else(
            || (u128::from(random()) << 64 | u128::from(random()), 0),
            |parent| (parent.id, parent.flags),
        );
        let span = random();
        Self { id, span, flags }
    }

    /// `version-trace-span-flags` as W3C Trace Context §3.2; None for anything it calls invalid.
    fn parse(text: &[u8]) -> Option<Self> {
        let (version, rest) = (hex(text.get(..2)?)?, text.get(2..55)?);
        // Version 00 ends after the flags; later ones may go on after another dash.
        let ends = text.len() == 55 || (version > 0 && text[55] == b'-');
        if version == 0xff || !ends || rest[0] != b'-' || rest[33] != b'-' || rest[50] != b'-' {
            return None;
        }
        let id = hex(&rest[1..33])?;
        let span = u64::try_from(hex(&rest[34..50])?).ok()?;
        let flags = u8::try_from(hex(&rest[51..53])?).ok()?;
        (id != 0 && span != 0).then_some(Self { id, span, flags })
    }

    fn to_header(self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut text[3..35], self.id);
        write_hex(&mut text[36..52], u128::from(self.span));
        write_hex(&mut text[53..55], u128::from(self.flags & 1));
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
    }

    fn trace_id(self) -> HeaderValue {
        let mut text = [0; 32];
        write_hex(&mut text, self.id);
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value: u128, digit| match digit {
        b'0'..=b'9' => Some(value << 4 | u128::from(digit - b'0')),
        b'a'..=b'f' => Some(value << 4 | u128::from(digit - b'a' + 10)),
        _ => None,
    })
}

fn write_hex(to: &mut [u8], mut value: u128) {
    for digit in to.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

/// Never zero. Good enough for ids that must not collide; not for secrets. The keys of
/// `RandomState` come from the operating system, so threads and processes differ.
fn random() -> u64 {
    thread_local! {
        static SEED: RandomState = RandomState::new();
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }
    let count = COUNT.replace(COUNT.get().wrapping_add(1));
    SEED.with(|seed| seed.hash_one(count)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_is_read_strictly_and_written_back() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = Trace::parse(good.as_bytes()).unwrap();
        assert_eq!(trace.to_header(), good);
        assert!(Trace::parse(good.replacen("00", "cc", 1).as_bytes()).is_some());
        assert!(Trace::parse(format!("cc{}-more", &good[2..]).as_bytes()).is_some());
        for bad in [
            String::new(),
            good[..54].into(),
            format!("{good}-more"),
            good.replacen("00", "ff", 1),
            good.to_uppercase(),
            good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            good.replace("b7ad6b7169203331", &"0".repeat(16)),
            good.replace('-', "_"),
        ] {
            assert_eq!(Trace::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn random_numbers_differ() {
        let numbers: std::collections::HashSet<u64> = (0..1000).map(|_| random()).collect();
        assert_eq!(numbers.len(), 1000);
    }
}
