//! The split of format §2: `event`, kept for ever, and the personal parts. Never drops a member that is there.

use uuid::Uuid;

use super::{CONTEXT, Post};
use crate::entry::Recorder;
use crate::json::object::{Object, push_array};
use crate::json::{Tree, Value};

/// Canonical texts of all parts together.
pub(crate) const MOST_PARTS_BYTES: usize = 256 * 1024;
/// More than the names of all parts and what stands around them can take.
const AROUND_PARTS_BYTES: usize = 16 * 1024;

/// Where a part stands: byte ranges within the text of all parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    name: (u32, u32),
    value: (u32, u32),
}

impl Span {
    pub(crate) fn name<'p>(&self, parts: &'p str) -> &'p str {
        &parts[self.name.0 as usize..self.name.1 as usize]
    }

    pub(crate) fn value<'p>(&self, parts: &'p str) -> &'p str {
        &parts[self.value.0 as usize..self.value.1 as usize]
    }

    pub(crate) fn value_len(&self) -> usize {
        (self.value.1 - self.value.0) as usize
    }
}

/// Appends the canonical `event`; where in it the member `recorded_by` stands.
pub(crate) fn push_event(
    out: &mut String,
    post: &Post<'_>,
    id: Uuid,
    recorder: Recorder<'_>,
) -> (usize, usize) {
    let mut event = Object::open(out);
    event.text("action", post.action);
    if let Some(version) = post.action_version {
        event.integer("action_version", version);
    }
    event.text_if("activity", post.activity);
    push_actor(event.member("actor"), post, recorder);
    if !post.attachments.is_empty() {
        push_array(
            event.member("attachments"),
            &post.attachments,
            |out, attachment| {
                let mut object = Object::open(out);
                object.text_if("media_type", attachment.media_type);
                object.text("sha256", &attachment.sha256.to_ascii_lowercase());
                if let Some(size) = attachment.size {
                    object.integer("size", size);
                }
                object.close();
            },
        );
    }
    event.text_if("causation_id", post.causation_id);
    event.text_if("correlation_id", post.correlation_id);
    event.text(
        "id",
        id.hyphenated().encode_lower(&mut Uuid::encode_buffer()),
    );
    if !post.labels.is_empty() {
        let mut labels = Object::open(event.member("labels"));
        for (name, value) in &post.labels {
            labels.text(name, value);
        }
        labels.close();
    }
    if let Some(time) = post.occurred_at {
        time.push_text(event.member("occurred_at"));
    }
    if let Some(outcome) = &post.outcome {
        let mut object = Object::open(event.member("outcome"));
        object.text_if("code", outcome.code);
        object.text("status", outcome.status);
        object.close();
    }
    let recorded_by = push_recorder(&mut event, recorder);
    event.text_if("severity", post.severity);
    if !post.targets.is_empty() {
        push_array(event.member("targets"), &post.targets, |out, target| {
            push_reference(out, target.id, target.kind);
        });
    }
    event.close();
    recorded_by
}

/// Byte range of the member, its name included.
fn push_recorder(event: &mut Object<'_>, recorder: Recorder<'_>) -> (usize, usize) {
    let value = event.member("recorded_by");
    let start = value.len() - "\"recorded_by\":".len();
    value.push('"');
    crate::json::text::push_escaped(value, recorder.kind);
    value.push(':');
    crate::json::text::push_escaped(value, recorder.id);
    value.push('"');
    (start, value.len())
}

fn push_actor(out: &mut String, post: &Post<'_>, recorder: Recorder<'_>) {
    let Some(actor) = &post.actor else {
        push_reference(out, recorder.id, recorder.kind);
        return;
    };
    let mut object = Object::open(out);
    object.text("id", actor.id);
    if !actor.on_behalf_of.is_empty() {
        push_array(
            object.member("on_behalf_of"),
            &actor.on_behalf_of,
            |out, principal| push_reference(out, principal.id, principal.kind),
        );
    }
    object.text("type", actor.kind);
    object.close();
}

fn push_reference(out: &mut String, id: &str, kind: &str) {
    let mut object = Object::open(out);
    object.text("id", id);
    object.text("type", kind);
    object.close();
}

/// Appends the canonical text of all parts, `{}` when there are none. Where they are larger than
/// [`MOST_PARTS_BYTES`] it may stop in their midst; what stands in the spans is larger then, too.
pub(crate) fn push_parts(
    out: &mut String,
    post: &Post<'_>,
    tree: &Tree<'_>,
    spans: &mut Vec<Span>,
) {
    let mut parts = Parts {
        start: out.len(),
        enough: out.len() + MOST_PARTS_BYTES + AROUND_PARTS_BYTES,
        object: Object::open(out),
        tree,
        spans,
    };
    if let Some(actor) = &post.actor {
        parts.object(
            ("actor", None),
            &[
                ("email", actor.email.map(Given::Text)),
                ("metadata", actor.metadata.map(Given::Data)),
                ("name", actor.name.map(Given::Text)),
            ],
        );
    }
    for index in in_order_of_names(post.attachments.len()) {
        let attachment = &post.attachments[index];
        parts.object(
            ("attachments", Some(index)),
            &[
                ("location", attachment.location.map(Given::Text)),
                ("name", attachment.name.map(Given::Text)),
            ],
        );
    }
    parts.changes(post);
    parts.object(
        ("context", None),
        &std::array::from_fn::<_, { CONTEXT.len() }, _>(|index| {
            (CONTEXT[index], post.context[index].map(Given::Text))
        }),
    );
    if let Some(description) = post.description {
        parts.part(("description", None), |out, _, _| {
            crate::json::text::push(out, description);
        });
    }
    if let Some(metadata) = post.metadata {
        parts.part(("metadata", None), |out, tree, enough| {
            tree.push(out, metadata, enough);
        });
    }
    if let Some(actor) = &post.actor {
        for (index, principal) in actor.on_behalf_of.iter().enumerate() {
            parts.object(
                ("on_behalf_of", Some(index)),
                &[
                    ("email", principal.email.map(Given::Text)),
                    ("name", principal.name.map(Given::Text)),
                ],
            );
        }
    }
    if let Some(outcome) = &post.outcome {
        parts.object(
            ("outcome", None),
            &[("reason", outcome.reason.map(Given::Text))],
        );
    }
    for index in in_order_of_names(post.targets.len()) {
        let target = &post.targets[index];
        parts.object(
            ("targets", Some(index)),
            &[
                ("metadata", target.metadata.map(Given::Data)),
                ("name", target.name.map(Given::Text)),
            ],
        );
    }
    parts.object.close();
}

/// A member of a part.
#[derive(Clone, Copy)]
enum Given<'a> {
    Text(&'a str),
    Data(Value),
}

struct Parts<'o, 't, 'a> {
    start: usize,
    /// Length of the output from which on no part needs to be complete.
    enough: usize,
    object: Object<'o>,
    tree: &'t Tree<'a>,
    spans: &'t mut Vec<Span>,
}

impl<'a> Parts<'_, '_, 'a> {
    fn part(
        &mut self,
        (name, index): (&str, Option<usize>),
        push: impl FnOnce(&mut String, &Tree<'a>, usize),
    ) {
        let out = match index {
            None => self.object.member(name),
            Some(index) => self.object.element_member(name, index),
        };
        let name_end = out.len() - "\":".len();
        let value_start = out.len();
        push(out, self.tree, self.enough);
        let value_end = out.len();
        let name_len = name.len() + index.map_or(0, |index| 2 + usize::from(index > 9));
        let within = |at: usize| u32::try_from(at - self.start).expect("parts are below 4 GiB");
        self.spans.push(Span {
            name: (within(name_end - name_len), within(name_end)),
            value: (within(value_start), within(value_end)),
        });
    }

    /// A part that is an object of the members given; none where none is.
    fn object(&mut self, name: (&str, Option<usize>), members: &[(&str, Option<Given<'a>>)]) {
        if members.iter().all(|(_, value)| value.is_none()) {
            return;
        }
        self.part(name, |out, tree, enough| {
            let mut object = Object::open(out);
            for (name, value) in members {
                match *value {
                    None => {}
                    Some(Given::Text(text)) => object.text(name, text),
                    Some(Given::Data(data)) => tree.push(object.member(name), data, enough),
                }
            }
            object.close();
        });
    }

    fn changes(&mut self, post: &Post<'a>) {
        if post.changes.is_empty() {
            return;
        }
        self.part(("changes", None), |out, tree, enough| {
            push_array(out, &post.changes, |out, change| {
                let mut object = Object::open(out);
                object.text("field", change.field);
                if let Some(new) = change.new {
                    tree.push(object.member("new"), new, enough);
                }
                if let Some(old) = change.old {
                    tree.push(object.member("old"), old, enough);
                }
                object.close();
            });
        });
    }
}

/// 0 to `count` - 1 in the order of their decimal texts: 0, 1, 10, 11, …, 2, 20, ….
fn in_order_of_names(count: usize) -> impl Iterator<Item = usize> {
    const ORDER: [usize; 32] = [
        0, 1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 2, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 3,
        30, 31, 4, 5, 6, 7, 8, 9,
    ];
    ORDER.into_iter().filter(move |&index| index < count)
}
