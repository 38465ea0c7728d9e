//! A posted entry, member by member, checked against the table of format §1. Never knows who posts it or where it goes.

mod lists;
mod member;
mod rules;
mod split;

use uuid::Uuid;

use crate::fault::Faults;
use crate::json::{Member, Path, Tree, Value};
use crate::timestamp::Timestamp;

pub(crate) use split::{MOST_PARTS_BYTES, Span, push_event, push_parts};

/// The members of a post that are there after normalisation; absent ones are `None` or empty.
#[derive(Default)]
pub(crate) struct Post<'a> {
    pub(crate) action: &'a str,
    action_version: Option<u64>,
    activity: Option<&'a str>,
    pub(crate) actor: Option<Actor<'a>>,
    attachments: Vec<Attachment<'a>>,
    causation_id: Option<&'a str>,
    changes: Vec<Change<'a>>,
    context: [Option<&'a str>; CONTEXT.len()],
    correlation_id: Option<&'a str>,
    description: Option<&'a str>,
    pub(crate) id: Option<Uuid>,
    labels: Vec<(&'a str, &'a str)>,
    metadata: Option<Value>,
    occurred_at: Option<Timestamp>,
    outcome: Option<Outcome<'a>>,
    pub(crate) partition: Option<&'a str>,
    severity: Option<&'a str>,
    pub(crate) targets: Vec<Target<'a>>,
}

#[derive(Default)]
pub(crate) struct Actor<'a> {
    pub(crate) kind: &'a str,
    pub(crate) id: &'a str,
    name: Option<&'a str>,
    email: Option<&'a str>,
    metadata: Option<Value>,
    pub(crate) on_behalf_of: Vec<OnBehalfOf<'a>>,
}

pub(crate) struct OnBehalfOf<'a> {
    kind: &'a str,
    pub(crate) id: &'a str,
    name: Option<&'a str>,
    email: Option<&'a str>,
}

pub(crate) struct Target<'a> {
    kind: &'a str,
    pub(crate) id: &'a str,
    name: Option<&'a str>,
    metadata: Option<Value>,
}

struct Attachment<'a> {
    media_type: Option<&'a str>,
    size: Option<u64>,
    sha256: &'a str,
    name: Option<&'a str>,
    location: Option<&'a str>,
}

struct Outcome<'a> {
    status: &'a str,
    code: Option<&'a str>,
    reason: Option<&'a str>,
}

struct Change<'a> {
    field: &'a str,
    old: Option<Value>,
    new: Option<Value>,
}

// The members of each object, in canonical order.
const ENTRY: [&str; 18] = [
    "action",
    "action_version",
    "activity",
    "actor",
    "attachments",
    "causation_id",
    "changes",
    "context",
    "correlation_id",
    "description",
    "id",
    "labels",
    "metadata",
    "occurred_at",
    "outcome",
    "partition",
    "severity",
    "targets",
];
const ACTOR: [&str; 6] = ["email", "id", "metadata", "name", "on_behalf_of", "type"];
const OUTCOME: [&str; 3] = ["code", "reason", "status"];
const CONTEXT: [&str; 7] = [
    "ip",
    "location",
    "request_id",
    "session_id",
    "span_id",
    "trace_id",
    "user_agent",
];

const ACTIVITIES: [&str; 5] = ["create", "read", "update", "delete", "other"];
const SEVERITIES: [&str; 4] = ["info", "warning", "error", "critical"];
const STATUSES: [&str; 3] = ["success", "failure", "unknown"];

/// Reads values out of a tree and notes what is wrong with them.
pub(crate) struct Reader<'t, 'a> {
    pub(crate) tree: &'t Tree<'a>,
    pub(crate) faults: &'t mut Faults,
}

impl<'a> Reader<'_, 'a> {
    /// The post at `at`. Of use only when no fault was noted.
    pub(crate) fn post(&mut self, value: Value, at: &Path<'_>) -> Post<'a> {
        let Value::Object(first, end) = value else {
            self.faults.push(at, "must be an object");
            return Post::default();
        };
        let [
            action,
            action_version,
            activity,
            actor,
            attachments,
            causation_id,
            changes,
            context,
            correlation_id,
            description,
            id,
            labels,
            metadata,
            occurred_at,
            outcome,
            partition,
            severity,
            targets,
        ] = self.members((first, end), &ENTRY, at);
        let to = |name| Path::Name(at, name);
        Post {
            action: self.action(action, &to("action")),
            action_version: self.integer(
                action_version,
                1..=65_535,
                &to("action_version"),
                "must be an integer from 1 to 65535",
            ),
            activity: self.one_of(
                activity,
                &ACTIVITIES,
                &to("activity"),
                "must be create, read, update, delete or other",
            ),
            actor: self.actor(actor, &to("actor")),
            attachments: self.attachments(attachments, &to("attachments")),
            causation_id: self.kept(causation_id, 128, &to("causation_id")),
            changes: self.changes(changes, &to("changes")),
            context: self.context(context, &to("context")),
            correlation_id: self.kept(correlation_id, 128, &to("correlation_id")),
            description: self.text(description, &to("description")),
            id: self.id(id, &to("id")),
            labels: self.labels(labels, &to("labels")),
            metadata: self.data(metadata, &to("metadata")),
            occurred_at: self.time(occurred_at, &to("occurred_at")),
            outcome: self.outcome(outcome, &to("outcome")),
            partition: self.matching(
                partition,
                rules::is_partition,
                &to("partition"),
                "must match [a-z0-9][a-z0-9_-]{0,62}",
            ),
            severity: self.one_of(
                severity,
                &SEVERITIES,
                &to("severity"),
                "must be info, warning, error or critical",
            ),
            targets: self.targets(targets, &to("targets")),
        }
    }

    /// The values of an object's members, in the order of `names`; both are in canonical order. Duplicates and names
    /// that are not proper text are left out: the tree's own faults tell of them.
    fn members<const N: usize>(
        &mut self,
        object: (u32, u32),
        names: &[&str; N],
        at: &Path<'_>,
    ) -> [Option<Value>; N] {
        let mut found = [None; N];
        let members = self.tree.members(object.0, object.1);
        let mut slot = 0;
        for (index, member) in members.iter().enumerate() {
            let Some(name) = self.name(members, index) else {
                continue;
            };
            let matches = names[slot..].iter().position(|&known| known == name);
            match matches {
                Some(skipped) => {
                    slot += skipped;
                    found[slot] = Some(member.value);
                }
                None => self.faults.push(&Path::Name(at, name), "unknown member"),
            }
        }
        found
    }

    /// The name of a member; `None` where the tree's own faults tell of it.
    fn name(&self, members: &[Member], index: usize) -> Option<&'a str> {
        if self.tree.faulty
            && (members[index].name.is_broken() || self.tree.is_duplicate(members, index))
        {
            return None;
        }
        Some(self.tree.text(members[index].name))
    }

    fn action(&mut self, value: Option<Value>, at: &Path<'_>) -> &'a str {
        let action = self.matching(
            value,
            rules::is_action,
            at,
            "must match [a-z0-9_-]+(\\.[a-z0-9_-]+)* and have at most 128 characters",
        );
        self.required(action, at)
    }

    fn actor(&mut self, value: Option<Value>, at: &Path<'_>) -> Option<Actor<'a>> {
        let object = self.object(value, at)?;
        let before = self.faults.count();
        let [email, id, metadata, name, on_behalf_of, kind] = self.members(object, &ACTOR, at);
        let to = |name| Path::Name(at, name);
        let kind = self.actor_type(kind, &to("type"));
        let id = self.kept(id, 256, &to("id"));
        let rest = Actor {
            kind: "",
            id: "",
            name: self.text(name, &to("name")),
            email: self.text(email, &to("email")),
            metadata: self.data(metadata, &to("metadata")),
            on_behalf_of: self.on_behalf_of(on_behalf_of, &to("on_behalf_of")),
        };
        let empty = kind.is_none()
            && id.is_none()
            && rest.name.is_none()
            && rest.email.is_none()
            && rest.metadata.is_none()
            && rest.on_behalf_of.is_empty();
        if empty && self.faults.count() == before {
            return None;
        }
        Some(Actor {
            kind: self.required(kind, &to("type")),
            id: self.required(id, &to("id")),
            ..rest
        })
    }

    fn outcome(&mut self, value: Option<Value>, at: &Path<'_>) -> Option<Outcome<'a>> {
        let object = self.object(value, at)?;
        let before = self.faults.count();
        let [code, reason, status] = self.members(object, &OUTCOME, at);
        let to = |name| Path::Name(at, name);
        let status = self.one_of(
            status,
            &STATUSES,
            &to("status"),
            "must be success, failure or unknown",
        );
        let code = self.kept(code, 64, &to("code"));
        let reason = self.text(reason, &to("reason"));
        let empty = status.is_none() && code.is_none() && reason.is_none();
        if empty && self.faults.count() == before {
            return None;
        }
        Some(Outcome {
            status: self.required(status, &to("status")),
            code,
            reason,
        })
    }

    fn context(&mut self, value: Option<Value>, at: &Path<'_>) -> [Option<&'a str>; CONTEXT.len()] {
        let Some(object) = self.object(value, at) else {
            return [None; CONTEXT.len()];
        };
        let values = self.members(object, &CONTEXT, at);
        let mut texts = [None; CONTEXT.len()];
        for ((text, value), name) in texts.iter_mut().zip(values).zip(CONTEXT) {
            *text = self.text(value, &Path::Name(at, name));
        }
        texts
    }
}
