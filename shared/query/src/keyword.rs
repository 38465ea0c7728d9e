//! Conditions as exact terms: the names under which an entry's values are indexed, and what a filter
//! asks of them. One table for every index; it never holds text that is searched by words.

use crate::Filter;
use crate::filter::{Action, Address};

/// A member of an entry that a filter compares whole. An entry may have several values of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyword {
    Action,
    /// Every prefix of the action that ends with a dot.
    ActionBelow,
    Activity,
    /// `info` where the entry has none.
    Severity,
    Outcome,
    /// Type and id with a colon between; the type has none in it.
    Actor,
    ActorType,
    ActorId,
    RecordedBy,
    CorrelationId,
    TargetType,
    TargetId,
    /// Type and id of one and the same target, U+0000 between.
    Target,
    /// Name and value with `=` between; the name has none in it.
    Label,
    Field,
    Ip,
    RequestId,
    SessionId,
    /// Path and value of what stands in `metadata`, U+0000 between: see [`Keyword::path`].
    Metadata,
}

impl Keyword {
    pub const ALL: [Self; 19] = [
        Self::Action,
        Self::ActionBelow,
        Self::Activity,
        Self::Severity,
        Self::Outcome,
        Self::Actor,
        Self::ActorType,
        Self::ActorId,
        Self::RecordedBy,
        Self::CorrelationId,
        Self::TargetType,
        Self::TargetId,
        Self::Target,
        Self::Label,
        Self::Field,
        Self::Ip,
        Self::RequestId,
        Self::SessionId,
        Self::Metadata,
    ];

    /// As an index names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::ActionBelow => "action_below",
            Self::Activity => "activity",
            Self::Severity => "severity",
            Self::Outcome => "outcome",
            Self::Actor => "actor",
            Self::ActorType => "actor_type",
            Self::ActorId => "actor_id",
            Self::RecordedBy => "recorded_by",
            Self::CorrelationId => "correlation_id",
            Self::TargetType => "target_type",
            Self::TargetId => "target_id",
            Self::Target => "target",
            Self::Label => "label",
            Self::Field => "field",
            Self::Ip => "ip",
            Self::RequestId => "request_id",
            Self::SessionId => "session_id",
            Self::Metadata => "metadata",
        }
    }

    /// Path and value of a term of [`Keyword::Metadata`].
    pub fn path(term: &str) -> (&str, &str) {
        term.split_once('\0').unwrap_or((term, ""))
    }
}

/// Type and id of one target as one term.
pub(crate) fn target(kind: &str, id: &str) -> String {
    format!("{kind}\0{id}")
}

pub(crate) fn label(name: &str, value: &str) -> String {
    format!("{name}={value}")
}

pub(crate) fn metadata(path: &str, value: &str) -> String {
    format!("{path}\0{value}")
}

/// The term of an address, or of a text that is none.
pub(crate) fn ip(address: &Address) -> String {
    match address {
        Address::Ip(ip) => ip.to_string(),
        Address::Text(text) => text.clone(),
    }
}

impl Filter {
    /// What the filter asks for beside partition, time and words: an entry is asked for when it has
    /// every one of these values.
    pub fn keywords(&self) -> Vec<(Keyword, String)> {
        let mut asked = Vec::new();
        match &self.action {
            Some(Action::Exactly(action)) => asked.push((Keyword::Action, action.clone())),
            Some(Action::Below(prefix)) => asked.push((Keyword::ActionBelow, prefix.clone())),
            None => {}
        }
        for keyword in [
            Keyword::Activity,
            Keyword::Severity,
            Keyword::Outcome,
            Keyword::ActorType,
            Keyword::ActorId,
            Keyword::RecordedBy,
            Keyword::CorrelationId,
            Keyword::Field,
            Keyword::RequestId,
            Keyword::SessionId,
        ] {
            let value = self.term(keyword.name());
            asked.extend(value.map(|value| (keyword, value.to_owned())));
        }
        match (self.term("target_type"), self.term("target_id")) {
            (Some(kind), Some(id)) => asked.push((Keyword::Target, target(kind, id))),
            (Some(kind), None) => asked.push((Keyword::TargetType, kind.to_owned())),
            (None, Some(id)) => asked.push((Keyword::TargetId, id.to_owned())),
            (None, None) => {}
        }
        let labels = self.labels();
        asked.extend(labels.map(|(name, value)| (Keyword::Label, label(name, value))));
        let values = self.metadata();
        asked.extend(values.map(|(path, value)| (Keyword::Metadata, metadata(path, value))));
        asked.extend(self.ip.as_ref().map(|asked| (Keyword::Ip, ip(asked))));
        asked
    }
}
