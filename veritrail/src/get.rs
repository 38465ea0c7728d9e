//! `veritrail get ID`: one entry, every member on a line of its own.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::{Client, Purpose};
use crate::config;
use crate::print::{Output, Style, one_line};

/// Longest value shown on its line; `--json` has it whole.
const WIDTH: usize = 160;
/// What is asked for most comes first; the rest follows by name.
const FIRST: &[&str] = &[
    "action",
    "occurred_at",
    "actor",
    "targets",
    "outcome",
    "severity",
    "activity",
    "changes",
    "description",
    "context",
    "labels",
    "metadata",
];
/// Where it stands in its chain comes last.
const LAST: &[&str] = &[
    "id",
    "tenant",
    "partition",
    "generation",
    "seq",
    "received_at",
    "recorded_by",
    "hash",
    "previous",
    "erased",
];

pub(crate) async fn run(config: config::Get, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&config.connection, Purpose::Read)?;
    let form = if config.evidence { "/evidence" } else { "" };
    let entry: Value = client
        .get_json(client.url(&format!("api/v1/logs/{}{form}", config.id))?)
        .await?;
    output.value(&entry)?;
    if config.evidence && !output.json() {
        // Exact texts are for copying, not for looking at.
        output.say(&entry.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = Vec::new();
    for name in order(&entry) {
        flatten(&name, &entry[&name], &mut lines);
    }
    let width = lines
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, value) in lines {
        let padding = " ".repeat(width - name.chars().count() + 2);
        output.say(&format!(
            "{}{padding}{}",
            output.paint(Style::Dim, &name),
            one_line(&value, WIDTH)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn order(entry: &Value) -> Vec<String> {
    let names = entry.as_object().into_iter().flat_map(|entry| entry.keys());
    let mut names: Vec<String> = names.cloned().collect();
    names.sort_by_key(|name| {
        let first = FIRST.iter().position(|first| first == name);
        let last = LAST.iter().position(|last| last == name);
        (last.map_or(0, |at| at + 1), first.unwrap_or(FIRST.len()))
    });
    names
}

/// `{"actor": {"id": "x"}}` as `actor.id  x`.
fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (member, value) in members {
                flatten(&format!("{name}.{member}"), value, lines);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, value) in elements.iter().enumerate() {
                flatten(&format!("{name}[{index}]"), value, lines);
            }
        }
        Value::String(text) => lines.push((one_line(name, WIDTH), text.clone())),
        other => lines.push((one_line(name, WIDTH), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_flattened_in_a_readable_order() {
        let entry = json!({"hash": "h", "action": "a", "causation_id": "c", "id": "i", "actor": {"id": 1}, "targets": [{"x": null}]});
        assert_eq!(
            order(&entry),
            ["action", "actor", "targets", "causation_id", "id", "hash"]
        );
        let mut lines = Vec::new();
        flatten("targets", &entry["targets"], &mut lines);
        assert_eq!(lines, [("targets[0].x".to_owned(), "null".to_owned())]);
    }
}
