//! What goes over a stream: JSON objects with a `type`. A frame is made once and shared by all
//! readers that get it; it never changes.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use chain::{Corrupt, Mask, Stored};
use serde_json::json;

use super::end::End;
use super::room::{Held, Share};

/// A frame as it is sent, whatever it is sent over.
pub(crate) struct Frame {
    /// The event's name in a stream of server-sent events; in the text it is `type`.
    pub(crate) kind: &'static str,
    /// One line of JSON.
    pub(crate) text: Utf8Bytes,
    /// Everything up to this frame, and it too, was delivered to whoever goes on from here.
    pub(crate) cursor: Option<Arc<str>>,
    /// As long as anybody has it.
    _held: Option<Held>,
}

/// Seqs `from..to` of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) partition: Arc<str>,
    pub(crate) generation: u32,
    pub(crate) from: u64,
    /// Sequence number to stop before.
    pub(crate) to: u64,
}

impl Frame {
    /// An entry in its reading form; an error where it has none.
    pub(crate) fn entry(entry: &Stored, mask: Mask, cursor: &Arc<str>) -> Result<Self, Corrupt> {
        let parts = entry.parts.as_ref().map_or(0, String::len);
        let mut text = String::with_capacity(entry.event.len() + parts + cursor.len() + 768);
        text.push_str("{\"type\":\"entry\",\"cursor\":\"");
        text.push_str(cursor);
        text.push_str("\",\"entry\":");
        entry.push_reading_form(&mut text, mask)?;
        text.push('}');
        Ok(Self {
            kind: "entry",
            text: text.into(),
            cursor: Some(Arc::clone(cursor)),
            _held: None,
        })
    }

    /// The same, counted among what a tenant's frames take up.
    pub(crate) fn counted(self, share: &Share) -> Self {
        Self {
            _held: Some(share.hold(self.text.len())),
            ..self
        }
    }

    /// Entries that are not what was recorded, or are gone.
    pub(crate) fn unreadable(stretch: &Stretch, cursor: &Arc<str>) -> Self {
        Self::stretch("unreadable", stretch, Some(cursor))
    }

    /// Entries that were left out because the reader was too slow.
    pub(crate) fn lagged(stretch: &Stretch, cursor: Option<&Arc<str>>) -> Self {
        Self::stretch("lagged", stretch, cursor)
    }

    fn stretch(kind: &'static str, stretch: &Stretch, cursor: Option<&Arc<str>>) -> Self {
        let mut frame = json!({
            "type": kind,
            "partition": &*stretch.partition,
            "from": stretch.from,
            "to": stretch.to,
        });
        if stretch.generation > 1 {
            frame["generation"] = stretch.generation.into();
        }
        Self::new(kind, frame, cursor)
    }

    /// The stream goes on from here.
    pub(crate) fn ready(cursor: &Arc<str>) -> Self {
        Self::new("ready", json!({"type": "ready"}), Some(cursor))
    }

    /// Nothing else to say. `live`: the ledger was read within the last seconds.
    pub(crate) fn heartbeat(cursor: &Arc<str>, live: bool) -> Self {
        let frame = json!({"type": "heartbeat", "live": live});
        Self::new("heartbeat", frame, Some(cursor))
    }

    /// A new token was taken; the stream may go on until then (Unix seconds).
    pub(crate) fn authenticated(expires_at: i64) -> Self {
        let frame = json!({"type": "authenticated", "expires_at": expires_at});
        Self::new("authenticated", frame, None)
    }

    /// The last one.
    pub(crate) fn end(end: End) -> Self {
        Self::new("end", json!({"type": "end", "code": end.code()}), None)
    }

    fn new(kind: &'static str, mut frame: serde_json::Value, cursor: Option<&Arc<str>>) -> Self {
        if let Some(cursor) = cursor {
            frame["cursor"] = (**cursor).into();
        }
        Self {
            kind,
            text: frame.to_string().into(),
            cursor: cursor.cloned(),
            _held: None,
        }
    }
}
