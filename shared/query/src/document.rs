//! What an index knows of an entry: where it is, the values that filters compare, and its words. It
//! holds no text as it was posted but values that are compared whole, and nothing that [`Filter::matches`](crate::Filter::matches)
//! would not look at.

use std::ops::ControlFlow;

use chain::{Stored, Timestamp};

use crate::filter::Address;
use crate::keyword::{self, Keyword};
use crate::leaves;
use crate::matching::{Event, Parts, Text, Unreadable};
use crate::metadata;
use crate::words::each_word;

/// One entry for the index. Two documents of the same entry and version are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub partition: String,
    /// From 1.
    pub generation: u32,
    pub seq: u64,
    pub received_at: Timestamp,
    /// 1 as the entry was recorded, and 1 more for each part that was erased since: a document with
    /// a higher version replaces the one before.
    pub version: u64,
    /// In order, none twice.
    pub keywords: Vec<(Keyword, String)>,
    /// Words of the event, joined by spaces, one text for each text of the entry.
    pub words: Vec<String>,
    /// Words of the personal parts, in the same form. Who may not see these parts must not find by
    /// them.
    pub personal_words: Vec<String>,
}

/// Nothing can be said about the entry, since a stored text is not one of the format.
#[derive(Debug, thiserror::Error)]
#[error("the stored {column} cannot be read")]
pub struct Unindexable {
    pub column: &'static str,
    #[source]
    source: Unreadable,
}

/// What a document is made of: no more of an entry than that, neither tenant nor hashes.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    pub partition: &'a str,
    pub generation: u32,
    pub seq: u64,
    pub received_at: Timestamp,
    /// These three are canonical texts, as [`Stored`] has them.
    pub event: &'a str,
    pub parts: Option<&'a str>,
    pub residue: Option<&'a str>,
}

impl<'a> From<&'a Stored> for Kept<'a> {
    fn from(stored: &'a Stored) -> Self {
        Self {
            partition: &stored.partition,
            generation: stored.generation,
            seq: stored.seq,
            received_at: stored.received_at,
            event: &stored.event,
            parts: stored.parts.as_deref(),
            residue: stored.residue.as_deref(),
        }
    }
}

impl Document {
    pub fn of<'a>(entry: impl Into<Kept<'a>>) -> Result<Self, Unindexable> {
        let stored = entry.into();
        let unreadable = |column| move |source| Unindexable { column, source };
        let mut keywords = Vec::with_capacity(16);
        let (mut words, mut personal_words) = (Vec::new(), Vec::new());
        event(stored.event, &mut keywords, &mut words).map_err(unreadable("event"))?;
        if let Some(parts) = stored.parts {
            personal(parts, &mut keywords, &mut personal_words).map_err(unreadable("parts"))?;
        }
        keywords.sort_unstable();
        keywords.dedup();
        Ok(Self {
            partition: stored.partition.to_owned(),
            generation: stored.generation,
            seq: stored.seq,
            received_at: stored.received_at,
            version: 1 + erased(stored.residue).map_err(unreadable("residue"))?,
            keywords,
            words,
            personal_words,
        })
    }
}

fn erased(residue: Option<&str>) -> Result<u64, Unreadable> {
    #[derive(serde::Deserialize)]
    struct Residue<'a> {
        #[serde(borrow, default)]
        digests: std::collections::BTreeMap<&'a str, &'a serde_json::value::RawValue>,
    }
    let Some(residue) = residue else {
        return Ok(0);
    };
    let residue: Residue<'_> = serde_json::from_str(residue)?;
    Ok(residue.digests.len() as u64)
}

fn event(
    text: &str,
    keywords: &mut Vec<(Keyword, String)>,
    words: &mut Vec<String>,
) -> Result<(), Unreadable> {
    let event: Event<'_> = serde_json::from_str(text)?;
    let mut add = |keyword, value: &str| keywords.push((keyword, value.to_owned()));
    add(Keyword::Action, &event.action.0);
    for (dot, _) in event.action.0.match_indices('.') {
        add(Keyword::ActionBelow, &event.action.0[..=dot]);
    }
    let actor = &event.actor;
    add(Keyword::Actor, &format!("{}:{}", actor.kind.0, actor.id.0));
    add(Keyword::ActorType, &actor.kind.0);
    add(Keyword::ActorId, &actor.id.0);
    add(Keyword::RecordedBy, &event.recorded_by.0);
    add(
        Keyword::Severity,
        event.severity.as_ref().map_or("info", |text| &text.0),
    );
    for (keyword, value) in [
        (Keyword::Activity, &event.activity),
        (Keyword::CorrelationId, &event.correlation_id),
        (
            Keyword::Outcome,
            &event.outcome.map(|outcome| outcome.status),
        ),
    ] {
        if let Some(value) = value {
            add(keyword, &value.0);
        }
    }
    for target in &event.targets {
        add(Keyword::TargetType, &target.kind.0);
        add(Keyword::TargetId, &target.id.0);
        let both = keyword::target(&target.kind.0, &target.id.0);
        add(Keyword::Target, &both);
    }
    if let Some(labels) = event.labels {
        let labels: std::collections::HashMap<String, Text<'_>> =
            serde_json::from_str(labels.get())?;
        for (name, value) in &labels {
            add(Keyword::Label, &keyword::label(name, &value.0));
        }
    }
    let mut buffer = String::new();
    leaves::of_event(text, &mut |leaf| {
        joined(leaf, &mut buffer, words);
        ControlFlow::Continue(())
    })
}

fn personal(
    text: &str,
    keywords: &mut Vec<(Keyword, String)>,
    words: &mut Vec<String>,
) -> Result<(), Unreadable> {
    let parts: Parts<'_> = serde_json::from_str(text)?;
    // A value that is longer than any that can be asked for is not found, whatever is asked.
    let mut add = |keyword, value: &str, max: usize| {
        if value.chars().take(max + 1).count() <= max {
            keywords.push((keyword, value.to_owned()));
        }
    };
    for change in &parts.changes {
        add(Keyword::Field, &change.field.0, 256);
    }
    if let Some(context) = parts.context {
        if let Some(ip) = context.ip {
            add(Keyword::Ip, &keyword::ip(&Address::read(&ip.0)), 256);
        }
        if let Some(id) = context.request_id {
            add(Keyword::RequestId, &id.0, 1024);
        }
        if let Some(id) = context.session_id {
            add(Keyword::SessionId, &id.0, 1024);
        }
    }
    if let Some(stored) = parts.metadata {
        metadata::values(stored.get(), |path, value| {
            keywords.push((Keyword::Metadata, keyword::metadata(path, value)));
            ControlFlow::Continue(())
        })?;
    }
    let mut buffer = String::new();
    leaves::of_parts(text, &mut |leaf| {
        joined(leaf, &mut buffer, words);
        ControlFlow::Continue(())
    })
}

fn joined(leaf: &str, buffer: &mut String, words: &mut Vec<String>) {
    let mut text = String::new();
    each_word(leaf, buffer, |word| {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    });
    if !text.is_empty() {
        words.push(text);
    }
}
