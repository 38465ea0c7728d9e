//! JSON objects whose members keep their order and their exact text, so that
//! what is passed on unread is passed on unchanged: no number is rounded and no
//! member moved. It never looks inside a value that nobody asked for.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One JSON value, as text.
pub(super) struct Text(String);

impl Text {
    pub(super) fn array(elements: impl IntoIterator<Item = Self>) -> Self {
        let elements: Vec<String> = elements.into_iter().map(|element| element.0).collect();
        Self(format!("[{}]", elements.join(",")))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

/// The members of an object, in order.
#[derive(Default)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    pub(super) fn text(&self) -> Text {
        let mut text = String::from("{");
        for (name, value) in &self.0 {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        Text(text)
    }

    pub(super) fn put(&mut self, name: &str, value: Text) {
        self.0.push((name.to_owned(), value.0));
    }

    pub(super) fn put_string(&mut self, name: &str, value: &str) {
        self.put(name, Text(quoted(value)));
    }

    pub(super) fn put_null(&mut self, name: &str) {
        self.put(name, Text("null".to_owned()));
    }

    pub(super) fn put_unless_empty(&mut self, name: &str, members: &Self) {
        if !members.0.is_empty() {
            self.put(name, members.text());
        }
    }

    /// The first member of that name.
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(member, _)| member == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn take(&mut self, name: &str) {
        self.0.retain(|(member, _)| member != name);
    }

    /// A string that is there and not empty.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        let value: String = serde_json::from_str(self.get(name)?).ok()?;
        Some(value).filter(|value| !value.is_empty())
    }

    pub(super) fn take_string(&mut self, name: &str) -> Option<String> {
        let value = self.string(name)?;
        self.take(name);
        Some(value)
    }

    pub(super) fn take_string_within(&mut self, name: &str, characters: usize) -> Option<String> {
        if self.string(name)?.chars().count() > characters {
            return None;
        }
        self.take_string(name)
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// An object; `None` when there is none or it is something else.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, serde_json::Error> {
        self.get(name)
            .filter(|value| value.starts_with('{'))
            .map(Self::parse)
            .transpose()
    }

    pub(super) fn take_object(&mut self, name: &str) -> Result<Option<Self>, serde_json::Error> {
        let object = self.object(name)?;
        if object.is_some() {
            self.take(name);
        }
        Ok(object)
    }

    /// The elements of an array of objects.
    pub(super) fn array(&self, name: &str) -> Result<Option<Vec<String>>, serde_json::Error> {
        let Some(value) = self.get(name).filter(|value| value.starts_with('[')) else {
            return Ok(None);
        };
        let elements: Vec<Box<RawValue>> = serde_json::from_str(value)?;
        if !elements
            .iter()
            .all(|element| element.get().starts_with('{'))
        {
            return Ok(None);
        }
        Ok(Some(
            elements
                .into_iter()
                .map(|element| String::from(Box::<str>::from(element)))
                .collect(),
        ))
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, String::from(Box::<str>::from(value))));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
