//! The two members of a posted object that its sender may have left to us: `id`
//! and `partition`. Everything else stays as it was written.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Posted;

/// A posted text with an id, version 7 where it has none, and with `partition`
/// where it names none.
///
/// # Errors
/// The text is no JSON object.
pub(crate) fn with_id(
    source: String,
    text: &str,
    partition: Option<&str>,
) -> anyhow::Result<Posted> {
    let Members(mut members) = serde_json::from_str(text)
        .map_err(|error| anyhow::anyhow!("{source}: not a JSON object: {error}"))?;
    let absent = |value: &RawValue| matches!(value.get(), "null" | "\"\"");
    members.retain(|(name, value)| !((name == "id" || name == "partition") && absent(value)));
    let named = members.iter().find(|(name, _)| name == "partition");
    let named = named.and_then(|(_, value)| serde_json::from_str::<String>(value.get()).ok());
    let mut text = String::with_capacity(text.len() + 64);
    text.push('{');
    if !members.iter().any(|(name, _)| name == "id") {
        add(&mut text, "id", &format!("\"{}\"", uuid::Uuid::now_v7()));
    }
    if let (None, Some(partition)) = (&named, partition) {
        add(
            &mut text,
            "partition",
            &serde_json::Value::from(partition).to_string(),
        );
    }
    for (name, value) in &members {
        add(&mut text, name, value.get());
    }
    text.push('}');
    Ok(Posted {
        source,
        text,
        partition: named.or_else(|| partition.map(str::to_owned)),
    })
}

fn add(text: &mut String, name: &str, value: &str) {
    if text.len() > 1 {
        text.push(',');
    }
    text.push_str(&serde_json::Value::from(name).to_string());
    text.push(':');
    text.push_str(value);
}

/// In order, values as written, duplicates kept: refusing them is the server's.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(text: &str) -> Posted {
        with_id("line 1".to_owned(), text, Some("p")).unwrap()
    }

    #[test]
    fn an_id_and_a_partition_are_added_only_where_they_are_missing() {
        let given = r#"{"id":"00000000-0000-7000-8000-000000000000","partition":"q","n":1.0}"#;
        assert_eq!(posted(given).text, given);
        assert_eq!(posted(given).partition.as_deref(), Some("q"));
        let made: serde_json::Value =
            serde_json::from_str(&posted(r#"{"id":null,"partition":"","action":"a"}"#).text)
                .unwrap();
        assert_eq!(made["partition"], "p");
        let id: uuid::Uuid = made["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert!(with_id("line 1".to_owned(), "[]", None).is_err());
    }

    #[test]
    fn what_is_written_stays() {
        let text = r#"{"id":"x","partition":"p","a":1.50,"a":12345678901234567890,"b":"\u00e9"}"#;
        assert_eq!(posted(text).text, text);
    }
}
