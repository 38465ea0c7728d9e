//! What belongs to the request at hand: its id, its trace, whom it is from. Task-local.

use axum::http::HeaderMap;

/// The id of the request that this task is working on; None outside of one.
pub fn id() -> Option<String> {
    todo!()
}

/// Adds `traceparent` (W3C Trace Context) and `x-request-id` to an outgoing call made for the
/// request at hand. Does nothing outside of one.
pub fn propagate(headers: &mut HeaderMap) {
    let _ = headers;
    todo!()
}
