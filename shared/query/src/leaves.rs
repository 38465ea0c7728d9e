//! The texts of an entry that full-text search looks into: every string and number in `event`
//! (but its `id`) and in the parts. It never keeps a text, and never looks at member names.

use std::fmt;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::Unreadable;

/// Bytes of one text that are looked at; what is beyond is not found by its words.
pub const MAX_LEAF: usize = 32 << 10;

/// What is done with a text, and whether to go on to the next.
pub(crate) type Leaf<'a> = &'a mut dyn FnMut(&str) -> ControlFlow<()>;

/// Calls `leaf` for each text of the event, until it has enough.
pub(crate) fn of_event(event: &str, leaf: Leaf<'_>) -> Result<(), Unreadable> {
    walk(event, Some("id"), leaf)
}

/// Calls `leaf` for each text of the parts, until it has enough.
pub(crate) fn of_parts(parts: &str, leaf: Leaf<'_>) -> Result<(), Unreadable> {
    walk(parts, None, leaf)
}

fn walk(text: &str, skip: Option<&str>, leaf: Leaf<'_>) -> Result<(), Unreadable> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut enough = false;
    let mut leaf = |text: &str| {
        let flow = leaf(text);
        enough = flow.is_break();
        flow
    };
    let leaf = &mut leaf;
    let walked = Walk { skip, leaf }.deserialize(&mut reader);
    match walked {
        Err(_) if enough => Ok(()),
        walked => Ok(walked.and_then(|()| reader.end())?),
    }
}

struct Walk<'a> {
    /// A member of this object that is passed over.
    skip: Option<&'a str>,
    leaf: Leaf<'a>,
}

impl Walk<'_> {
    /// Only an error ends a walk early.
    fn look<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match (self.leaf)(text) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(E::custom("enough")),
        }
    }
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
        self.look(&text[..text.floor_char_boundary(MAX_LEAF)])
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.look(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.look(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.look(&number.to_string())
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
