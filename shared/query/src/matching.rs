//! Matching an entry's stored texts against a filter: one pass over each text that is needed,
//! borrowing from it. It never builds a tree of an entry, and never looks into personal parts
//! unless the filter asks about them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;

use chain::Mask;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::filter::{Action, Address};
use crate::text::Met;
use crate::{Filter, leaves, metadata};

/// A stored text is not what the format says, so that nothing can be said about the entry.
#[derive(Debug, thiserror::Error)]
#[error("the stored text cannot be read")]
pub struct Unreadable(#[from] serde_json::Error);

impl Filter {
    /// Whether an entry with these canonical texts is asked for, by a reader for whom `mask` is left
    /// out: no condition on it holds, and its words are not there. Partition and time of receipt
    /// are not part of the texts and are the reader's to bound.
    ///
    /// # Errors
    /// When a stored text is not one of the format, as far as it was looked into for the answer.
    pub fn matches(
        &self,
        event: &str,
        parts: Option<&str>,
        mask: Mask,
    ) -> Result<bool, Unreadable> {
        let parts = parts.filter(|_| mask == Mask::Nothing);
        if self.reads_event() && !self.matches_event(&serde_json::from_str(event)?)? {
            return Ok(false);
        }
        if self.personal().is_some() {
            let Some(parts) = parts else { return Ok(false) };
            if !self.matches_parts(&serde_json::from_str(parts)?)? {
                return Ok(false);
            }
        }
        self.matches_words(event, parts)
    }

    fn matches_words(&self, event: &str, parts: Option<&str>) -> Result<bool, Unreadable> {
        let Some(text) = self.text() else {
            return Ok(true);
        };
        let mut met = Met::new(text);
        leaves::of_event(event, &mut |leaf| met.look(leaf))?;
        if let (Some(parts), ControlFlow::Continue(())) = (parts, met.decided()) {
            leaves::of_parts(parts, &mut |leaf| met.look(leaf))?;
        }
        Ok(met.holds())
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

    fn matches_parts(&self, parts: &Parts<'_>) -> Result<bool, Unreadable> {
        let context = parts.context.as_ref();
        let ip = self.ip.as_ref().is_none_or(|asked| {
            context
                .and_then(|context| context.ip.as_ref())
                .is_some_and(|found| Address::read(&found.0) == *asked)
        });
        let field = self
            .term("field")
            .is_none_or(|asked| parts.changes.iter().any(|change| change.field.0 == asked));
        let holds = ip
            && field
            && self.equals(
                "request_id",
                context.and_then(|context| context.request_id.as_ref()),
            )
            && self.equals(
                "session_id",
                context.and_then(|context| context.session_id.as_ref()),
            );
        Ok(holds && self.matches_metadata(parts.metadata)?)
    }

    fn matches_metadata(&self, stored: Option<&RawValue>) -> Result<bool, Unreadable> {
        if self.metadata().next().is_none() {
            return Ok(true);
        }
        match stored {
            Some(stored) => metadata::has_all(stored.get(), self.metadata()),
            None => Ok(false),
        }
    }

    fn equals(&self, name: &str, found: Option<&Text<'_>>) -> bool {
        self.term(name)
            .is_none_or(|asked| found.is_some_and(|found| found.0 == asked))
    }
}

/// A string that borrows where it has no escapes, also inside `Option`.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow)]
    pub(crate) action: Text<'a>,
    #[serde(borrow)]
    pub(crate) actor: Typed<'a>,
    #[serde(borrow)]
    pub(crate) recorded_by: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) activity: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) severity: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) outcome: Option<Outcome<'a>>,
    #[serde(borrow, default)]
    pub(crate) correlation_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) targets: Vec<Typed<'a>>,
    #[serde(borrow, default)]
    pub(crate) labels: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Outcome<'a> {
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Parts<'a> {
    #[serde(borrow, default)]
    pub(crate) context: Option<Context<'a>>,
    #[serde(borrow, default)]
    pub(crate) changes: Vec<Change<'a>>,
    #[serde(borrow, default)]
    pub(crate) metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Context<'a> {
    #[serde(borrow, default)]
    pub(crate) ip: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) request_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) session_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct Change<'a> {
    #[serde(borrow)]
    pub(crate) field: Text<'a>,
}
