//! Matching an entry's stored texts against a filter: one pass over each text that is needed,
//! borrowing from it. It never builds a tree of an entry, and never looks into personal parts
//! unless the filter asks about them.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Filter;
use crate::filter::{Action, Address};

/// A stored text is not what the format says, so that nothing can be said about the entry.
#[derive(Debug, thiserror::Error)]
#[error("the stored text cannot be read")]
pub struct Unreadable(#[from] serde_json::Error);

impl Filter {
    /// Whether an entry with these canonical texts is asked for. Partition and time of receipt are
    /// not part of the texts and are the reader's to bound.
    ///
    /// # Errors
    /// When a stored text is not one of the format.
    pub fn matches(&self, event: &str, parts: Option<&str>) -> Result<bool, Unreadable> {
        if self.reads_event() && !self.matches_event(&serde_json::from_str(event)?)? {
            return Ok(false);
        }
        if self.personal().is_none() {
            return Ok(true);
        }
        let Some(parts) = parts else { return Ok(false) };
        Ok(self.matches_parts(&serde_json::from_str(parts)?))
    }

    fn matches_event(&self, event: &Event<'_>) -> Result<bool, Unreadable> {
        let action = match &self.action {
            Some(Action::Exactly(action)) => event.action.0 == action.as_str(),
            Some(Action::Below(prefix)) => event.action.0.starts_with(prefix.as_str()),
            None => true,
        };
        let outcome = event.outcome.as_ref().map(|outcome| &outcome.status);
        let (kind, id) = (self.term("target_type"), self.term("target_id"));
        // One and the same target has to be of the type and have the id.
        let target = kind.is_none() && id.is_none()
            || event.targets.iter().any(|target| {
                kind.is_none_or(|kind| target.kind.0 == kind)
                    && id.is_none_or(|id| target.id.0 == id)
            });
        let holds = action
            && self.equals("activity", event.activity.as_ref())
            && self.term("severity").is_none_or(|asked| {
                event.severity.as_ref().map_or("info", |found| &found.0) == asked
            })
            && self.equals("outcome", outcome)
            && self.equals("actor_type", Some(&event.actor.kind))
            && self.equals("actor_id", Some(&event.actor.id))
            && self.equals("recorded_by", Some(&event.recorded_by))
            && self.equals("correlation_id", event.correlation_id.as_ref())
            && target;
        Ok(holds && self.matches_labels(event.labels)?)
    }

    fn matches_labels(&self, stored: Option<&RawValue>) -> Result<bool, Unreadable> {
        if self.labels().next().is_none() {
            return Ok(true);
        }
        let Some(stored) = stored else {
            return Ok(false);
        };
        let found: HashMap<String, Text<'_>> = serde_json::from_str(stored.get())?;
        Ok(self
            .labels()
            .all(|(name, value)| found.get(name).is_some_and(|found| found.0 == value)))
    }

    fn matches_parts(&self, parts: &Parts<'_>) -> bool {
        let context = parts.context.as_ref();
        let ip = self.ip.as_ref().is_none_or(|asked| {
            context
                .and_then(|context| context.ip.as_ref())
                .is_some_and(|found| Address::read(&found.0) == *asked)
        });
        let field = self
            .term("field")
            .is_none_or(|asked| parts.changes.iter().any(|change| change.field.0 == asked));
        ip && field
            && self.equals(
                "request_id",
                context.and_then(|context| context.request_id.as_ref()),
            )
            && self.equals(
                "session_id",
                context.and_then(|context| context.session_id.as_ref()),
            )
    }

    fn equals(&self, name: &str, found: Option<&Text<'_>>) -> bool {
        self.term(name)
            .is_none_or(|asked| found.is_some_and(|found| found.0 == asked))
    }
}

/// A string that borrows where it has no escapes, also inside `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    actor: Typed<'a>,
    #[serde(borrow)]
    recorded_by: Text<'a>,
    #[serde(borrow, default)]
    activity: Option<Text<'a>>,
    #[serde(borrow, default)]
    severity: Option<Text<'a>>,
    #[serde(borrow, default)]
    outcome: Option<Outcome<'a>>,
    #[serde(borrow, default)]
    correlation_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    targets: Vec<Typed<'a>>,
    #[serde(borrow, default)]
    labels: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow)]
    status: Text<'a>,
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    context: Option<Context<'a>>,
    #[serde(borrow, default)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Context<'a> {
    #[serde(borrow, default)]
    ip: Option<Text<'a>>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    session_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    field: Text<'a>,
}
