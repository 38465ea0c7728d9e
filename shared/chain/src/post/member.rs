//! One value of a post by its type and rule. Never looks at more than that value.

use std::ops::RangeInclusive;

use uuid::Uuid;

use super::{Reader, rules};
use crate::json::{Path, Value, number};
use crate::timestamp::Timestamp;

impl<'a> Reader<'_, 'a> {
    /// Text without a rule of its own. Null and empty are absent.
    pub(super) fn text(&mut self, value: Option<Value>, at: &Path<'_>) -> Option<&'a str> {
        match value? {
            Value::Null => None,
            Value::Text(text) => Some(self.tree.text(text)).filter(|text| !text.is_empty()),
            _ => {
                self.faults.push(at, "must be a string");
                None
            }
        }
    }

    /// Text that goes to `event`: at most `most` characters, no U+0000.
    pub(super) fn kept(
        &mut self,
        value: Option<Value>,
        most: usize,
        at: &Path<'_>,
    ) -> Option<&'a str> {
        let text = self.text(value, at)?;
        if !rules::is_at_most(text, most) {
            self.faults.push(at, rules::too_long(most));
        } else if text.contains('\0') {
            self.faults.push(at, "must not contain U+0000");
        }
        Some(text)
    }

    pub(super) fn matching(
        &mut self,
        value: Option<Value>,
        rule: fn(&str) -> bool,
        at: &Path<'_>,
        message: &'static str,
    ) -> Option<&'a str> {
        let text = self.text(value, at)?;
        if !rule(text) {
            self.faults.push(at, message);
        }
        Some(text)
    }

    pub(super) fn actor_type(&mut self, value: Option<Value>, at: &Path<'_>) -> Option<&'a str> {
        self.matching(
            value,
            rules::is_actor_type,
            at,
            "must match [a-z][a-z0-9_]{0,31}",
        )
    }

    pub(super) fn one_of(
        &mut self,
        value: Option<Value>,
        allowed: &[&'static str],
        at: &Path<'_>,
        message: &'static str,
    ) -> Option<&'a str> {
        let text = self.text(value, at)?;
        if !allowed.contains(&text) {
            self.faults.push(at, message);
        }
        Some(text)
    }

    pub(super) fn id(&mut self, value: Option<Value>, at: &Path<'_>) -> Option<Uuid> {
        let text = self.text(value, at)?;
        let id = rules::uuid(text);
        if id.is_none() {
            self.faults
                .push(at, "must be a UUID in its hyphenated form");
        }
        id
    }

    pub(super) fn time(&mut self, value: Option<Value>, at: &Path<'_>) -> Option<Timestamp> {
        let time = self.text(value, at)?.parse().ok();
        if time.is_none() {
            self.faults.push(
                at,
                "must be an RFC 3339 time of the years 0001 to 9999 with at most nine fractional digits",
            );
        }
        time
    }

    pub(super) fn integer(
        &mut self,
        value: Option<Value>,
        range: RangeInclusive<u64>,
        at: &Path<'_>,
        message: &'static str,
    ) -> Option<u64> {
        let integer = match value? {
            Value::Null => return None,
            Value::Number(start, end) => {
                number::integer(self.tree.number(start, end), *range.end())
            }
            _ => None,
        };
        let integer = integer.filter(|integer| range.contains(integer));
        if integer.is_none() {
            self.faults.push(at, message);
        }
        integer
    }

    /// A `metadata` object; empty as a whole it is absent, inside everything is data.
    pub(super) fn data(&mut self, value: Option<Value>, at: &Path<'_>) -> Option<Value> {
        self.object(value, at)
            .map(|(first, end)| Value::Object(first, end))
    }

    pub(super) fn object(&mut self, value: Option<Value>, at: &Path<'_>) -> Option<(u32, u32)> {
        match value? {
            Value::Null => None,
            Value::Object(first, end) => (first != end).then_some((first, end)),
            _ => {
                self.faults.push(at, "must be an object");
                None
            }
        }
    }

    /// The elements of a list; none where it is absent or has more than `most`.
    pub(super) fn list(&mut self, value: Option<Value>, most: usize, at: &Path<'_>) -> &'a [Value] {
        match value {
            None | Some(Value::Null) => &[],
            Some(Value::Array(first, end)) => {
                let elements = self.tree.elements(first, end);
                if elements.len() > most {
                    self.faults.push(at, rules::too_many(most));
                    return &[];
                }
                elements
            }
            Some(_) => {
                self.faults.push(at, "must be an array");
                &[]
            }
        }
    }

    /// An element of a list, which must be an object; an empty one stays one.
    pub(super) fn element(&mut self, value: Value, at: &Path<'_>) -> Option<(u32, u32)> {
        if let Value::Object(first, end) = value {
            Some((first, end))
        } else {
            self.faults.push(at, "must be an object");
            None
        }
    }

    /// The value; where it is missing, a fault, and something that no one will use.
    pub(super) fn required(&mut self, value: Option<&'a str>, at: &Path<'_>) -> &'a str {
        if value.is_none() {
            self.faults.push(at, "is required");
        }
        value.unwrap_or_default()
    }
}
