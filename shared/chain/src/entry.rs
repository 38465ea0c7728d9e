//! An accepted entry. Never knows its place in a chain.

use uuid::Uuid;

use crate::fault::Fault;
use crate::stored::Stored;

/// The verified principal that posts: `recorded_by` is `kind:id`, and it is the actor where the post names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorder<'a> {
    /// `user`, `service` or `system`.
    pub kind: &'a str,
    /// Immutable id.
    pub id: &'a str,
}

/// A post, checked and normalised (format §1), split into `event` and parts (format §2).
#[derive(Clone, Debug)]
pub struct Entry {
    pub(crate) event: String,
}

impl Entry {
    /// Reads one posted entry. `new_id` becomes its id where the post gives none.
    ///
    /// # Errors
    /// Every place the format refuses.
    pub fn parse(
        _posted: &[u8],
        _recorder: Recorder<'_>,
        _new_id: Uuid,
    ) -> Result<Self, Vec<Fault>> {
        todo!()
    }

    pub fn id(&self) -> Uuid {
        todo!()
    }

    /// Whether the poster chose the id; only such an id may already be there.
    pub fn id_given(&self) -> bool {
        todo!()
    }

    pub fn partition(&self) -> &str {
        todo!()
    }

    pub fn action(&self) -> &str {
        todo!()
    }

    pub fn actor_type(&self) -> &str {
        todo!()
    }

    pub fn actor_id(&self) -> &str {
        todo!()
    }

    /// Whether the post named an actor; otherwise the recorder is the actor.
    pub fn actor_given(&self) -> bool {
        todo!()
    }

    /// The posted ids that stay for ever, with their JSON Pointers: `/actor/id` where the post names an actor,
    /// `/actor/on_behalf_of/N/id`, `/targets/N/id`.
    pub fn identifiers(&self) -> impl Iterator<Item = (String, &str)> {
        std::iter::empty()
    }

    /// Canonical text of `event`, `id` and `recorded_by` included.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Canonical text of `{part: value, …}`; `None` when there are no parts.
    pub fn parts(&self) -> Option<&str> {
        todo!()
    }

    /// Whether `stored` came from a post of the same content (format §3). Erased parts are not compared.
    pub fn same_content(&self, _stored: &Stored) -> bool {
        todo!()
    }
}

/// Reads a body `{"entries": […]}` of 1 to `max` entries; all or nothing.
///
/// # Errors
/// Pointers start with `/entries/N`; at least one fault for each bad entry.
pub fn parse_bulk(
    _body: &[u8],
    _recorder: Recorder<'_>,
    _max: usize,
    _new_id: impl FnMut() -> Uuid,
) -> Result<Vec<Entry>, Vec<Fault>> {
    todo!()
}
