//! The texts of an entry that full-text search looks into: every string and number in `event`
//! (but its `id`) and in the parts. It never keeps a text, and never looks at member names.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

use crate::Unreadable;

/// Bytes of one text that are looked at; what is beyond is not found by its words.
pub const MAX_LEAF: usize = 32 << 10;

/// Calls `leaf` for each text of the event.
pub(crate) fn of_event(event: &str, leaf: &mut dyn FnMut(&str)) -> Result<(), Unreadable> {
    walk(event, Some("id"), leaf)
}

/// Calls `leaf` for each text of the parts.
pub(crate) fn of_parts(parts: &str, leaf: &mut dyn FnMut(&str)) -> Result<(), Unreadable> {
    walk(parts, None, leaf)
}

fn walk(text: &str, skip: Option<&str>, leaf: &mut dyn FnMut(&str)) -> Result<(), Unreadable> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Walk { skip, leaf }.deserialize(&mut reader)?;
    Ok(reader.end()?)
}

struct Walk<'a> {
    /// A member of this object that is passed over.
    skip: Option<&'a str>,
    leaf: &'a mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        (self.leaf)(&text[..text.floor_char_boundary(MAX_LEAF)]);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        (self.leaf)(&number.to_string());
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        (self.leaf)(&number.to_string());
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        (self.leaf)(&number.to_string());
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list
            .next_element_seed(Walk {
                skip: None,
                leaf: &mut *self.leaf,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(skipped) = object.next_key_seed(Name(self.skip))? {
            let below = Walk {
                skip: None,
                leaf: &mut *self.leaf,
            };
            if skipped {
                object.next_value::<serde::de::IgnoredAny>()?;
            } else {
                object.next_value_seed(below)?;
            }
        }
        Ok(())
    }
}

/// Whether a member's name is this one.
struct Name<'a>(Option<&'a str>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<bool, E> {
        Ok(self.0 == Some(name))
    }
}
