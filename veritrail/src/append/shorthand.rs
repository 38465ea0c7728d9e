//! An entry as a few words: `invoice.approved actor=user:u-17 target=invoice:4711`.
//! A word that is not understood is an error, never data.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

/// Members whose value is one string.
const STRINGS: &[&str] = &[
    "id",
    "partition",
    "occurred_at",
    "activity",
    "severity",
    "correlation_id",
    "causation_id",
    "description",
];
/// Members of `context`.
const CONTEXT: &[&str] = &[
    "ip",
    "user_agent",
    "session_id",
    "request_id",
    "trace_id",
    "span_id",
    "location",
];

/// The posted text: the words' own when they are JSON.
pub(super) fn entry(words: &[String]) -> anyhow::Result<String> {
    let (first, rest) = words.split_first().context("no entry")?;
    if first.trim_start().starts_with('{') {
        if let Some(word) = rest.first() {
            bail!("{word:?} after the entry: quote the JSON as one argument");
        }
        return Ok(first.clone());
    }
    let mut entry = Map::new();
    let mut words = words;
    if !first.contains('=') {
        entry.insert("action".to_owned(), first.as_str().into());
        words = rest;
    }
    for word in words {
        let (name, value) = word
            .split_once('=')
            .with_context(|| format!("{word:?} is no NAME=VALUE"))?;
        put(&mut entry, name, value)?;
    }
    Ok(Value::Object(entry).to_string())
}

fn put(entry: &mut Map<String, Value>, name: &str, value: &str) -> anyhow::Result<()> {
    let (place, value) = match name {
        "action" => ("/action".to_owned(), value.into()),
        "actor" => return put_actor(entry, value),
        "actor.name" | "actor.email" => (format!("/{}", name.replace('.', "/")), value.into()),
        "target" => {
            let (kind, id) = reference(name, value)?;
            return push(entry, "targets", json!({"type": kind, "id": id}));
        }
        "outcome" => ("/outcome/status".to_owned(), value.into()),
        "reason" => ("/outcome/reason".to_owned(), value.into()),
        name if STRINGS.contains(&name) => (format!("/{name}"), value.into()),
        name if CONTEXT.contains(&name) => (format!("/context/{name}"), value.into()),
        name => match name.split_once('.') {
            Some(("label", label)) => return put_within(entry, "labels", label, value.into()),
            // Numbers, objects and the like as JSON, everything else as text.
            Some(("metadata", member)) => {
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                return put_within(entry, "metadata", member, value);
            }
            _ => bail!("{name:?} is no member: give the entry as JSON to say more"),
        },
    };
    match place.trim_start_matches('/').split_once('/') {
        Some((object, member)) => put_within(entry, object, member, value),
        None => insert(entry, place.trim_start_matches('/'), value),
    }
}

fn put_actor(entry: &mut Map<String, Value>, value: &str) -> anyhow::Result<()> {
    let (kind, id) = reference("actor", value)?;
    put_within(entry, "actor", "type", kind.into())?;
    put_within(entry, "actor", "id", id.into())
}

fn reference<'a>(name: &str, value: &'a str) -> anyhow::Result<(&'a str, &'a str)> {
    value
        .split_once(':')
        .with_context(|| format!("{name}={value}: not TYPE:ID"))
}

fn put_within(
    entry: &mut Map<String, Value>,
    object: &str,
    member: &str,
    value: Value,
) -> anyhow::Result<()> {
    let there = entry.entry(object).or_insert_with(|| json!({}));
    let there = there
        .as_object_mut()
        .context("a member is twice what it can be once")?;
    insert(there, member, value)
}

fn push(entry: &mut Map<String, Value>, array: &str, value: Value) -> anyhow::Result<()> {
    let there = entry.entry(array).or_insert_with(|| json!([]));
    there
        .as_array_mut()
        .context("a member is twice what it can be once")?
        .push(value);
    Ok(())
}

fn insert(object: &mut Map<String, Value>, member: &str, value: Value) -> anyhow::Result<()> {
    if object.insert(member.to_owned(), value).is_some() {
        bail!("{member} is given twice");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> anyhow::Result<Value> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(serde_json::from_str(&entry(&words)?)?)
    }

    #[test]
    fn words_become_members() {
        let entry = words(&[
            "invoice.approved",
            "actor=user:u:17",
            "actor.name=Ada",
            "target=invoice:1",
            "target=invoice:2",
            "severity=warning",
            "outcome=failure",
            "reason=late",
            "ip=::1",
            "label.env=prod",
            "metadata.amount=12.5",
            "metadata.note=hello",
        ]);
        assert_eq!(
            entry.unwrap(),
            json!({
                "action": "invoice.approved", "actor": {"type": "user", "id": "u:17", "name": "Ada"},
                "targets": [{"type": "invoice", "id": "1"}, {"type": "invoice", "id": "2"}],
                "severity": "warning", "outcome": {"status": "failure", "reason": "late"},
                "context": {"ip": "::1"}, "labels": {"env": "prod"},
                "metadata": {"amount": 12.5, "note": "hello"},
            })
        );
    }

    #[test]
    fn json_is_taken_as_it_is_and_nonsense_refused() {
        assert_eq!(entry(&["{\"a\": 1.0}".to_owned()]).unwrap(), "{\"a\": 1.0}");
        for nonsense in [
            &["a", "b"][..],
            &["a", "actor=ada"],
            &["a", "colour=red"],
            &["a", "ip=1", "ip=2"],
            &["{}", "b"],
        ] {
            assert!(words(nonsense).is_err(), "{nonsense:?}");
        }
    }
}
