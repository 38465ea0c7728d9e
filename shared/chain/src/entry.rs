//! An accepted entry. Never knows its place in a chain.

use std::fmt;

use uuid::Uuid;

use crate::fault::{Fault, Faults};
use crate::json::scan::scan;
use crate::json::{Buffers, Path, Tree, Value};
use crate::post::{MOST_PARTS_BYTES, Post, Reader, Span, push_event, push_parts};
use crate::residue::Residue;
use crate::stored::Stored;

/// The partition of a post that names none.
const DEFAULT_PARTITION: &str = "default";

/// Levels of nesting in one entry, its own object included.
const LEVELS: u32 = 32;
/// The body and the list around the entries of a bulk.
const LEVELS_AROUND: u32 = 2;

const MOST_EVENT_BYTES: usize = 52 * 1024;

/// The verified principal that posts: `recorded_by` is `kind:id`, and it is the actor where the post names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorder<'a> {
    /// `user`, `service` or `system`.
    pub kind: &'a str,
    /// Immutable id.
    pub id: &'a str,
}

/// A post, checked and normalised (format §1), split into `event` and parts (format §2). `Debug` shows no personal part.
#[derive(Clone)]
pub struct Entry {
    id: Uuid,
    id_given: bool,
    actor_given: bool,
    /// Canonical `event`, canonical parts, then the names below, one after the other.
    text: String,
    event_end: usize,
    parts_end: usize,
    /// Byte range of the member `recorded_by` within the event.
    recorded_by: (usize, usize),
    /// Where the parts stand in their text.
    spans: Vec<Span>,
    /// Where each name ends: partition, action, actor type, actor id, then the ids of `on_behalf_of` and of `targets`.
    names: Vec<usize>,
    on_behalf_of: usize,
}

impl Entry {
    /// Reads one posted entry. `new_id` becomes its id where the post gives none.
    ///
    /// # Errors
    /// Every place that the format refuses, each once. Beyond 100 faults or 64 KiB of pointers the rest is left out.
    pub fn parse(posted: &[u8], recorder: Recorder<'_>, new_id: Uuid) -> Result<Self, Vec<Fault>> {
        let mut buffers = Buffers::default();
        let mut faults = Faults::default();
        let Ok(tree) = scan(posted, LEVELS, &mut buffers) else {
            return Err(vec![not_json()]);
        };
        note_tree_faults(&tree, tree.root, &Path::Root, &mut faults);
        let mut draft = Draft::default();
        let entry = draft.entry(&tree, tree.root, &Path::Root, &mut faults, recorder, || {
            new_id
        });
        entry.ok_or_else(|| faults.into_list())
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether the poster chose the id; only such an id may already be there.
    pub fn id_given(&self) -> bool {
        self.id_given
    }

    pub fn partition(&self) -> &str {
        self.name(0)
    }

    pub fn action(&self) -> &str {
        self.name(1)
    }

    pub fn actor_type(&self) -> &str {
        self.name(2)
    }

    pub fn actor_id(&self) -> &str {
        self.name(3)
    }

    /// Whether the post named an actor; otherwise the recorder is the actor.
    pub fn actor_given(&self) -> bool {
        self.actor_given
    }

    /// The posted ids that stay for ever, with their JSON Pointers: `/actor/id` where the post names an actor,
    /// `/actor/on_behalf_of/N/id`, `/targets/N/id`.
    pub fn identifiers(&self) -> impl Iterator<Item = (String, &str)> {
        let actor = self
            .actor_given
            .then(|| ("/actor/id".to_owned(), self.actor_id()));
        let lists = (4..self.names.len()).map(|index| {
            let element = index - 4;
            let pointer = match element.checked_sub(self.on_behalf_of) {
                None => format!("/actor/on_behalf_of/{element}/id"),
                Some(element) => format!("/targets/{element}/id"),
            };
            (pointer, self.name(index))
        });
        actor.into_iter().chain(lists)
    }

    /// Canonical text of `event`, `id` and `recorded_by` included.
    pub fn event(&self) -> &str {
        &self.text[..self.event_end]
    }

    /// Canonical text of `{part: value, …}`; `None` when there are no parts.
    pub fn parts(&self) -> Option<&str> {
        (!self.spans.is_empty()).then(|| self.parts_text())
    }

    /// Whether `stored` came from a post of the same content: partition, `event` without `recorded_by`, and all parts
    /// equal as canonical text (format §3). Erased parts are not compared.
    pub fn same_content(&self, stored: &Stored) -> bool {
        self.partition() == stored.partition
            && self.same_event(&stored.event)
            && self.same_parts(stored)
    }

    fn same_event(&self, stored: &str) -> bool {
        let event = self.event();
        let before = &event[..self.recorded_by.0];
        let after = &event[self.recorded_by.1..];
        // The canonical text up to a member fixes where in the text that member stands, so what is left over between
        // the equal ends is `recorded_by` if it is one string.
        stored
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .and_then(|rest| rest.strip_prefix("\"recorded_by\":"))
            .is_some_and(crate::json::text::is_one_string)
    }

    fn same_parts(&self, stored: &Stored) -> bool {
        let Some(residue) = &stored.residue else {
            return self.parts() == stored.parts.as_deref();
        };
        let Ok(residue) = Residue::parse(residue) else {
            return false;
        };
        let Ok(kept) = crate::residue::parts_of(stored.parts.as_deref()) else {
            return false;
        };
        let mut kept = kept.into_iter();
        self.each_part()
            .filter(|(name, _)| !residue.is_erased(name))
            .all(|part| kept.next() == Some(part))
            && kept.next().is_none()
    }

    /// Names and canonical texts of the parts, in canonical order.
    pub(crate) fn each_part(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.parts_text();
        self.spans
            .iter()
            .map(move |span| (span.name(parts), span.value(parts)))
    }

    fn parts_text(&self) -> &str {
        &self.text[self.event_end..self.parts_end]
    }

    fn name(&self, index: usize) -> &str {
        let start = match index {
            0 => self.parts_end,
            _ => self.names[index - 1],
        };
        &self.text[start..self.names[index]]
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("partition", &self.partition())
            .field("event", &self.event())
            .finish_non_exhaustive()
    }
}

/// Reads a body `{"entries": […]}` of 1 to `max` entries; all or nothing. `new_id` gives the ids that the posts leave
/// out.
///
/// # Errors
/// Pointers start with `/entries/N`; at least one fault for each bad entry. Beyond 100 faults or 64 KiB of pointers
/// each further entry tells its first fault only.
pub fn parse_bulk(
    body: &[u8],
    recorder: Recorder<'_>,
    max: usize,
    mut new_id: impl FnMut() -> Uuid,
) -> Result<Vec<Entry>, Vec<Fault>> {
    let mut buffers = Buffers::default();
    let mut faults = Faults::default();
    let Ok(tree) = scan(body, LEVELS + LEVELS_AROUND, &mut buffers) else {
        return Err(vec![not_json()]);
    };
    let posts = posts(&tree, max, &mut faults);
    let at = Path::Name(&Path::Root, "entries");
    let mut entries = Vec::with_capacity(posts.len());
    let mut draft = Draft::default();
    for (index, &post) in posts.iter().enumerate() {
        let at = Path::Index(&at, index);
        faults.next_entry();
        note_tree_faults(&tree, post, &at, &mut faults);
        entries.extend(draft.entry(&tree, post, &at, &mut faults, recorder, &mut new_id));
    }
    if faults.is_empty() {
        Ok(entries)
    } else {
        Err(faults.into_list())
    }
}

/// The list in a bulk body; notes what is wrong around it.
fn posts<'a>(tree: &Tree<'a>, max: usize, faults: &mut Faults) -> &'a [Value] {
    let Value::Object(first, end) = tree.root else {
        faults.push(&Path::Root, "must be an object");
        return &[];
    };
    let members = tree.members(first, end);
    let at = Path::Name(&Path::Root, "entries");
    let mut posts: &[Value] = &[];
    for (index, member) in members.iter().enumerate() {
        let name = tree.text(member.name);
        let at = Path::Name(&Path::Root, name);
        if member.name.is_broken() {
            faults.push(
                &Path::Root,
                "must not have a member name with a lone surrogate",
            );
        } else if tree.is_duplicate(members, index) {
            faults.push(&at, "duplicate member name");
        } else if name != "entries" {
            faults.push(&at, "unknown member");
        } else if let Value::Array(first, end) = member.value {
            posts = tree.elements(first, end);
        } else {
            faults.push(&at, "must be an array");
        }
    }
    if posts.is_empty() {
        faults.push(&at, "must have at least one entry");
    } else if posts.len() > max {
        faults.push(&at, format!("must have at most {max} entries"));
        return &[];
    }
    posts
}

fn not_json() -> Fault {
    Fault {
        pointer: String::new(),
        message: "must be JSON text in UTF-8".into(),
    }
}

fn note_tree_faults(tree: &Tree<'_>, value: Value, at: &Path<'_>, faults: &mut Faults) {
    if tree.faulty {
        tree.faults(value, at, &mut |at, message| faults.push(at, message));
    }
}

/// Room to write an entry in, reused from one entry to the next, so that each entry keeps exactly what it needs.
#[derive(Default)]
struct Draft {
    text: String,
    spans: Vec<Span>,
    names: Vec<usize>,
}

impl Draft {
    /// The entry that is posted as `value`; `None` when faults were noted.
    fn entry(
        &mut self,
        tree: &Tree<'_>,
        value: Value,
        at: &Path<'_>,
        faults: &mut Faults,
        recorder: Recorder<'_>,
        new_id: impl FnOnce() -> Uuid,
    ) -> Option<Entry> {
        let post = Reader { tree, faults }.post(value, at);
        if faults.in_this_entry() {
            return None;
        }
        self.text.clear();
        self.spans.clear();
        self.names.clear();
        let id_given = post.id.is_some();
        let id = post.id.unwrap_or_else(new_id);
        let recorded_by = push_event(&mut self.text, &post, id, recorder);
        let event_end = self.text.len();
        push_parts(&mut self.text, &post, tree, &mut self.spans);
        let parts_end = self.text.len();
        let parts_bytes: usize = self.spans.iter().map(Span::value_len).sum();
        if event_end > MOST_EVENT_BYTES {
            faults.push(at, "its event is larger than 52 KiB");
            return None;
        }
        if parts_bytes > MOST_PARTS_BYTES {
            faults.push(at, "its personal parts are larger than 256 KiB");
            return None;
        }
        self.push_names(&post, recorder);
        Some(Entry {
            id,
            id_given,
            actor_given: post.actor.is_some(),
            text: self.text.as_str().to_owned(),
            event_end,
            parts_end,
            recorded_by,
            spans: self.spans.as_slice().to_owned(),
            names: self.names.as_slice().to_owned(),
            on_behalf_of: post.actor.map_or(0, |actor| actor.on_behalf_of.len()),
        })
    }

    fn push_names(&mut self, post: &Post<'_>, recorder: Recorder<'_>) {
        let (actor_type, actor_id, on_behalf_of) = match &post.actor {
            Some(actor) => (actor.kind, actor.id, actor.on_behalf_of.as_slice()),
            None => (recorder.kind, recorder.id, &[][..]),
        };
        let partition = post.partition.unwrap_or(DEFAULT_PARTITION);
        let names = [partition, post.action, actor_type, actor_id]
            .into_iter()
            .chain(on_behalf_of.iter().map(|principal| principal.id))
            .chain(post.targets.iter().map(|target| target.id));
        for name in names {
            self.text.push_str(name);
            self.names.push(self.text.len());
        }
    }
}
