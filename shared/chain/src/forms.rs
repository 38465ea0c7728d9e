//! The forms in which a stored entry is given out (format §5). Never hashed, never stored.

use std::borrow::Cow;

use crate::cut::{self, Malformed};
use crate::digest::push_digits;
use crate::json::object::{Object, push_array};
use crate::json::text::{order, push as push_string};
use crate::residue::{Residue, parts_of, personal};
use crate::stored::{Corrupt, Stored};

/// What a reader may not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Sees everything that is there.
    Nothing,
    /// Personal parts are left out. Names of erased parts stay: that something is gone is not personal.
    Personal,
}

/// Parts by name.
struct Parts<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parts<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(part, _)| *part == name);
        found.map(|(_, value)| *value)
    }

    fn of_element(&self, list: &str, index: usize) -> Option<&'a str> {
        self.get(&format!("{list}/{index}"))
    }
}

impl Stored {
    /// Reading form: the posted members, normalised, in the posted shape, with those that the service adds. Canonical
    /// text.
    pub fn reading_form(&self, mask: Mask) -> Result<String, Corrupt> {
        let parts = match mask {
            Mask::Nothing => parts_of(self.parts.as_deref())
                .map_err(|Malformed| Corrupt::new("parts", "not a canonical object of parts"))?,
            Mask::Personal => Vec::new(),
        };
        let mut members = posted_members(&self.event, &Parts(parts))
            .map_err(|Malformed| Corrupt::new("event", "not a canonical event"))?;
        self.add_members(&mut members)?;
        members.sort_by(|a, b| order(a.0.as_bytes(), b.0.as_bytes()));
        let mut out = String::with_capacity(self.event.len() + 1024);
        let mut object = Object::open(&mut out);
        for (name, value) in &members {
            object.member(name).push_str(value);
        }
        object.close();
        Ok(out)
    }

    fn add_members(&self, members: &mut Vec<(&str, Cow<'_, str>)>) -> Result<(), Corrupt> {
        let mut add = |name: &'static str, push: &dyn Fn(&mut String)| {
            let mut value = String::new();
            push(&mut value);
            members.push((name, Cow::Owned(value)));
        };
        add("tenant", &|out| push_string(out, &self.tenant));
        add("partition", &|out| push_string(out, &self.partition));
        add("seq", &|out| {
            out.push_str(itoa::Buffer::new().format(self.seq));
        });
        add("received_at", &|out| self.received_at.push_text(out));
        add("hash", &|out| push_digits(out, &self.hash.0));
        add("previous", &|out| push_digits(out, &self.previous.0));
        if self.generation > 1 {
            add("generation", &|out| {
                out.push_str(itoa::Buffer::new().format(self.generation));
            });
        }
        if let Some(residue) = &self.residue {
            let residue = Residue::parse(residue)
                .map_err(|Malformed| Corrupt::new("residue", "not in its canonical form"))?;
            add("erased", &|out| {
                push_array(out, residue.erased(), push_string);
            });
        }
        Ok(())
    }

    /// Evidence form: the document and what is left of the parts, exact bytes as strings. Canonical text without a line
    /// end.
    pub fn evidence_form(&self) -> Result<String, Corrupt> {
        let personal = personal(self)?;
        let document = self.document_of(&personal);
        let mut out = String::with_capacity(2 * document.len() + 1024);
        let mut evidence = Object::open(&mut out);
        evidence.text("document", &document);
        let mut parts = Object::open(evidence.member("parts"));
        for part in &personal {
            if let Some((salt, text)) = part.kept {
                let mut object = Object::open(parts.member(part.name));
                push_digits(object.member("salt"), &salt.0);
                object.text("text", text);
                object.close();
            }
        }
        parts.close();
        evidence.close();
        Ok(out)
    }
}

/// The members of the event with the parts put back where they were posted, in no particular order.
fn posted_members<'a>(
    event: &'a str,
    parts: &Parts<'a>,
) -> Result<Vec<(&'a str, Cow<'a, str>)>, Malformed> {
    let mut members = Vec::with_capacity(32);
    for (name, value) in cut::members(event)? {
        let value = match name {
            "actor" => Cow::Owned(actor(value, parts)?),
            "attachments" | "targets" => Cow::Owned(list(name, value, parts)?),
            "outcome" => Cow::Owned(joined(value, parts.get("outcome"))?),
            _ => Cow::Borrowed(value),
        };
        members.push((name, value));
    }
    for name in ["changes", "context", "description", "metadata"] {
        members.extend(parts.get(name).map(|value| (name, Cow::Borrowed(value))));
    }
    Ok(members)
}

fn actor(event: &str, parts: &Parts<'_>) -> Result<String, Malformed> {
    let actor = joined(event, parts.get("actor"))?;
    let mut out = String::with_capacity(actor.len());
    let mut object = Object::open(&mut out);
    for (name, value) in cut::members(&actor)? {
        if name == "on_behalf_of" {
            let value = list(name, value, parts)?;
            object.member(name).push_str(&value);
        } else {
            object.member(name).push_str(value);
        }
    }
    object.close();
    Ok(out)
}

/// A list of the event, each element with its part.
fn list(name: &str, event: &str, parts: &Parts<'_>) -> Result<String, Malformed> {
    let elements: Vec<String> = cut::elements(event)?
        .into_iter()
        .enumerate()
        .map(|(index, element)| joined(element, parts.of_element(name, index)))
        .collect::<Result<_, _>>()?;
    let mut out = String::with_capacity(event.len());
    push_array(&mut out, &elements, |out, element| out.push_str(element));
    Ok(out)
}

/// Two canonical objects as one.
fn joined(event: &str, part: Option<&str>) -> Result<String, Malformed> {
    let Some(part) = part else {
        return Ok(event.to_owned());
    };
    let mut members = cut::members(event)?;
    members.extend(cut::members(part)?);
    members.sort_by(|a, b| order(a.0.as_bytes(), b.0.as_bytes()));
    let mut out = String::with_capacity(event.len() + part.len());
    let mut object = Object::open(&mut out);
    for (name, value) in members {
        object.member(name).push_str(value);
    }
    object.close();
    Ok(out)
}
