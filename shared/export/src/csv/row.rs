//! An entry's reading form as the cells of a row. Borrows from the form; builds no tree of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Table;

/// A string that borrows where it has no escapes, also inside `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    tenant: Text<'a>,
    #[serde(borrow)]
    partition: Text<'a>,
    #[serde(default)]
    generation: Option<u64>,
    seq: u64,
    #[serde(borrow)]
    received_at: Text<'a>,
    #[serde(borrow, default)]
    occurred_at: Option<Text<'a>>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(default)]
    action_version: Option<u64>,
    #[serde(borrow, default)]
    activity: Option<Text<'a>>,
    #[serde(borrow, default)]
    severity: Option<Text<'a>>,
    #[serde(borrow, default)]
    outcome: Outcome<'a>,
    #[serde(borrow)]
    actor: Actor<'a>,
    #[serde(borrow)]
    recorded_by: Text<'a>,
    #[serde(borrow, default)]
    targets: Option<&'a RawValue>,
    #[serde(borrow, default)]
    context: Context<'a>,
    #[serde(borrow, default)]
    correlation_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    causation_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    description: Option<Text<'a>>,
    #[serde(borrow, default)]
    changes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    labels: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attachments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    erased: Option<&'a RawValue>,
    #[serde(borrow)]
    hash: Text<'a>,
    #[serde(borrow)]
    previous: Text<'a>,
}

#[derive(Default, Deserialize)]
struct Outcome<'a> {
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
    #[serde(borrow, default)]
    reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    on_behalf_of: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
struct Context<'a> {
    #[serde(borrow, default)]
    ip: Option<Text<'a>>,
    #[serde(borrow, default)]
    user_agent: Option<Text<'a>>,
    #[serde(borrow, default)]
    session_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    trace_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    span_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    location: Option<Text<'a>>,
}

impl Row<'_> {
    /// The cells in the order of [`super::COLUMNS`].
    pub(super) fn write(&self, table: &mut Table<'_>) {
        table.text(&self.tenant.0);
        table.text(&self.partition.0);
        table.number(self.generation.unwrap_or(1));
        table.number(self.seq);
        table.text(&self.received_at.0);
        table.maybe(self.occurred_at.as_ref());
        table.text(&self.id.0);
        table.text(&self.action.0);
        match self.action_version {
            Some(version) => table.number(version),
            None => table.text(""),
        }
        table.maybe(self.activity.as_ref());
        table.maybe(self.severity.as_ref());
        table.maybe(self.outcome.status.as_ref());
        table.maybe(self.outcome.code.as_ref());
        table.maybe(self.outcome.reason.as_ref());
        self.write_parties(table);
        self.write_context(table);
        table.maybe(self.correlation_id.as_ref());
        table.maybe(self.causation_id.as_ref());
        table.maybe(self.description.as_ref());
        table.raw(self.changes);
        table.raw(self.labels);
        table.raw(self.metadata);
        table.raw(self.attachments);
        table.raw(self.erased);
        table.text(&self.hash.0);
        table.text(&self.previous.0);
    }

    fn write_parties(&self, table: &mut Table<'_>) {
        let actor = &self.actor;
        table.text(&actor.kind.0);
        table.text(&actor.id.0);
        table.maybe(actor.name.as_ref());
        table.maybe(actor.email.as_ref());
        table.raw(actor.metadata);
        table.raw(actor.on_behalf_of);
        table.text(&self.recorded_by.0);
        let targets = self.targets.map_or("[]", RawValue::get);
        let targets: Vec<Target<'_>> = serde_json::from_str(targets).unwrap_or_default();
        let first = targets.first();
        table.maybe(first.map(|target| &target.kind));
        table.maybe(first.map(|target| &target.id));
        table.maybe(first.and_then(|target| target.name.as_ref()));
        table.raw(self.targets);
    }

    fn write_context(&self, table: &mut Table<'_>) {
        let context = &self.context;
        for text in [
            &context.ip,
            &context.user_agent,
            &context.session_id,
            &context.request_id,
            &context.trace_id,
            &context.span_id,
            &context.location,
        ] {
            table.maybe(text.as_ref());
        }
    }
}

impl Table<'_> {
    fn maybe(&mut self, text: Option<&Text<'_>>) {
        self.text(text.map_or("", |text| &text.0));
    }

    fn raw(&mut self, json: Option<&RawValue>) {
        self.text(json.map_or("", RawValue::get));
    }
}
