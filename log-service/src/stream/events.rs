//! A stream as server-sent events (WHATWG HTML §9.2): the same frames, one event each, whose id is
//! the cursor.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use query::{Follow, Position};
use service::{ApiError, Place};

use super::frames::Frame;
use super::mailbox::Taken;
use super::outbox::Outbox;
use super::subscription::Subscription;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx would hold the events back otherwise.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Whether the client asks for events.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut kinds = accepted.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    kinds.any(|kind| {
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    })
}

/// A client that lost its connection goes on behind the last event that it got, with the address
/// it began with.
pub(super) fn resume(headers: &HeaderMap, follow: &mut Follow) -> Result<(), ApiError> {
    let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) else {
        return Ok(());
    };
    let fault = |message| ApiError::Invalid(vec![Place::new("header.last-event-id", message)]);
    let id = id.to_str().map_err(|_| fault("not a cursor of a stream"))?;
    let position = Position::read(id, &follow.filter, "after");
    follow.after = Some(position.map_err(|refused| fault(refused.message))?);
    Ok(())
}

pub(super) fn answer(subscription: Subscription) -> Response {
    let outbox = Outbox::from(Taken::default());
    let events = stream::unfold(Some((subscription, outbox)), |reader| async {
        let (mut subscription, mut outbox) = reader?;
        if outbox.is_empty() {
            outbox = subscription.next().await.into();
        } else if let Err(end) = subscription.check_again().await {
            outbox = Taken::end(end).into();
        }
        let mut text = String::new();
        for frame in outbox.portion() {
            event(&mut text, &frame);
        }
        let end = outbox.end();
        if let Some(end) = end {
            event(&mut text, &Frame::end(end));
        }
        let reader = end.is_none().then_some((subscription, outbox));
        Some((Ok::<_, Infallible>(Bytes::from(text)), reader))
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (UNBUFFERED, HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(events)).into_response()
}

fn event(out: &mut String, frame: &Frame) {
    if let Some(cursor) = &frame.cursor {
        out.push_str("id: ");
        out.push_str(cursor);
        out.push('\n');
    }
    out.push_str("event: ");
    out.push_str(frame.kind);
    // JSON text has no line breaks.
    out.push_str("\ndata: ");
    out.push_str(&frame.text);
    out.push_str("\n\n");
}
