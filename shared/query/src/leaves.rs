//! The texts of an entry: for full-text search every string and number in `event` (but its `id`) and in the
//! parts, whatever the names of their members; for conditions on `metadata` each with its path. It never keeps
//! a text.

use std::fmt;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::Unreadable;

/// Bytes of one text that are looked at; what is beyond is not found by its words.
pub const MAX_LEAF: usize = 32 << 10;

/// What is done with a text, and whether to go on to the next.
pub(crate) type Leaf<'a> = &'a mut dyn FnMut(&str) -> ControlFlow<()>;

/// The same with the text's path.
type AtPath<'a> = &'a mut dyn FnMut(&str, &str) -> ControlFlow<()>;

/// Calls `leaf` for each text of the event, until it has enough.
pub(crate) fn of_event(event: &str, leaf: Leaf<'_>) -> Result<(), Unreadable> {
    walk(event, Some("id"), None, &mut |_, text| leaf(text))
}

/// Calls `leaf` for each text of the parts, until it has enough.
pub(crate) fn of_parts(parts: &str, leaf: Leaf<'_>) -> Result<(), Unreadable> {
    walk(parts, None, None, &mut |_, text| leaf(text))
}

/// Calls `leaf` for each text of an object, `true` and `false` included, with the names of the members that
/// lead to it, dots between; until it has enough.
pub(crate) fn by_path(object: &str, leaf: AtPath<'_>) -> Result<(), Unreadable> {
    walk(object, None, Some(String::new()), leaf)
}

fn walk(
    text: &str,
    skip: Option<&str>,
    mut path: Option<String>,
    leaf: AtPath<'_>,
) -> Result<(), Unreadable> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut enough = false;
    let mut leaf = |path: &str, text: &str| {
        let flow = leaf(path, text);
        enough = flow.is_break();
        flow
    };
    let walk = Walk {
        skip,
        path: &mut path,
        leaf: &mut leaf,
    };
    let walked = walk.deserialize(&mut reader);
    match walked {
        Err(_) if enough => Ok(()),
        walked => Ok(walked.and_then(|()| reader.end())?),
    }
}

struct Walk<'a> {
    /// A member of this object that is passed over.
    skip: Option<&'a str>,
    /// Where the walk is; `None`: names are not looked at.
    path: &'a mut Option<String>,
    leaf: AtPath<'a>,
}

impl Walk<'_> {
    /// Only an error ends a walk early.
    fn look<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let path = self.path.as_deref().unwrap_or_default();
        match (self.leaf)(path, text) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(E::custom("enough")),
        }
    }

    fn below(&mut self) -> Walk<'_> {
        Walk {
            skip: None,
            path: &mut *self.path,
            leaf: &mut *self.leaf,
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

    fn visit_bool<E: serde::de::Error>(self, said: bool) -> Result<(), E> {
        match (&self.path, said) {
            (None, _) => Ok(()),
            (Some(_), true) => self.look("true"),
            (Some(_), false) => self.look("false"),
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.below())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        let here = self.path.as_ref().map_or(0, String::len);
        let skip = self.skip;
        while let Some(skipped) = object.next_key_seed(Name {
            skip,
            path: self.path,
        })? {
            if skipped {
                object.next_value::<serde::de::IgnoredAny>()?;
            } else {
                object.next_value_seed(self.below())?;
            }
            if let Some(path) = self.path {
                path.truncate(here);
            }
        }
        Ok(())
    }
}

/// Takes a member's name; whether it is the one that is passed over.
struct Name<'a> {
    skip: Option<&'a str>,
    path: &'a mut Option<String>,
}

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
        if let Some(path) = self.path {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        Ok(self.skip == Some(name))
    }
}
