//! The forms in which a stored entry is given out (format §5). Never hashed, never stored.

use std::cmp::Ordering;

use crate::cut::{self, Malformed, Member, Members};
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
    fn find(&self, is_wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
        let found = self.0.iter().find(|(part, _)| is_wanted(part));
        found.map(|(_, value)| *value)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.find(|part| part == name)
    }

    fn of_element(&self, list: &str, index: usize) -> Option<&'a str> {
        let mut digits = itoa::Buffer::new();
        let index = digits.format(index);
        self.find(|part| {
            let place = part.strip_prefix(list);
            place.and_then(|rest| rest.strip_prefix('/')) == Some(index)
        })
    }
}

impl Stored {
    /// Reading form: the posted members, normalised, in the posted shape, with those that the service adds. Canonical
    /// text.
    pub fn reading_form(&self, mask: Mask) -> Result<String, Corrupt> {
        let mut out = String::with_capacity(self.event.len() + 1024);
        self.push_reading_form(&mut out, mask)?;
        Ok(out)
    }

    /// Appends the [reading form](Self::reading_form); a beginning of it after an error.
    pub fn push_reading_form(&self, out: &mut String, mask: Mask) -> Result<(), Corrupt> {
        let parts = match mask {
            Mask::Nothing => parts_of(self.parts.as_deref())
                .map_err(|Malformed| Corrupt::new("parts", "not a canonical object of parts"))?,
            Mask::Personal => Vec::new(),
        };
        let residue = self.residue.as_deref().map(Residue::parse).transpose();
        let residue =
            residue.map_err(|Malformed| Corrupt::new("residue", "not in its canonical form"))?;
        self.push_members(out, &Parts(parts), residue.as_ref())
            .map_err(|Malformed| Corrupt::new("event", "not a canonical event"))
    }

    fn push_members(
        &self,
        out: &mut String,
        parts: &Parts<'_>,
        residue: Option<&Residue<'_>>,
    ) -> Result<(), Malformed> {
        let mut object = Object::open(out);
        let mut added = ADDED.iter().copied().peekable();
        for member in Members::of(&self.event) {
            let member = member?;
            // Bytes sort them as the canonical order does, since these names are ASCII.
            while let Some((name, value)) = added.next_if(|(name, _)| *name < member.name) {
                self.push_added(&mut object, name, value, parts, residue);
            }
            if let Some((name, value)) = added.next_if(|(name, _)| *name == member.name)
                && self.push_added(&mut object, name, value, parts, residue)
            {
                return Err(Malformed);
            }
            push_posted(&mut object, member, parts)?;
        }
        for (name, value) in added {
            self.push_added(&mut object, name, value, parts, residue);
        }
        object.close();
        Ok(())
    }

    /// Whether the entry has this member.
    fn push_added(
        &self,
        object: &mut Object<'_>,
        name: &str,
        added: Added,
        parts: &Parts<'_>,
        residue: Option<&Residue<'_>>,
    ) -> bool {
        match added {
            Added::Part => {
                let Some(value) = parts.get(name) else {
                    return false;
                };
                object.member(name).push_str(value);
            }
            Added::Erased => {
                let Some(residue) = residue else { return false };
                push_array(object.member(name), residue.erased(), push_string);
            }
            Added::Generation if self.generation == 1 => return false,
            Added::Generation => object.integer(name, self.generation.into()),
            Added::Hash => push_digits(object.member(name), &self.hash.0),
            Added::Partition => object.text(name, &self.partition),
            Added::Previous => push_digits(object.member(name), &self.previous.0),
            Added::ReceivedAt => self.received_at.push_text(object.member(name)),
            Added::Seq => object.integer(name, self.seq),
            Added::Tenant => object.text(name, &self.tenant),
        }
        true
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

/// What a member beside those of the event is made of.
#[derive(Clone, Copy)]
enum Added {
    /// The part of this name.
    Part,
    Erased,
    Generation,
    Hash,
    Partition,
    Previous,
    ReceivedAt,
    Seq,
    Tenant,
}

/// Members beside those of the event, in canonical order.
const ADDED: [(&str, Added); 12] = [
    ("changes", Added::Part),
    ("context", Added::Part),
    ("description", Added::Part),
    ("erased", Added::Erased),
    ("generation", Added::Generation),
    ("hash", Added::Hash),
    ("metadata", Added::Part),
    ("partition", Added::Partition),
    ("previous", Added::Previous),
    ("received_at", Added::ReceivedAt),
    ("seq", Added::Seq),
    ("tenant", Added::Tenant),
];

/// A member of the event, with its parts.
fn push_posted(
    object: &mut Object<'_>,
    member: Member<'_>,
    parts: &Parts<'_>,
) -> Result<(), Malformed> {
    let Member { name, value, text } = member;
    match name {
        "actor" => push_actor(object.member(name), value, parts)?,
        "attachments" | "targets" => push_list(object.member(name), name, value, parts)?,
        "outcome" => push_joined(object.member(name), value, parts.get(name))?,
        _ => object.copy(text),
    }
    Ok(())
}

fn push_actor(out: &mut String, event: &str, parts: &Parts<'_>) -> Result<(), Malformed> {
    let part = parts.get("actor").unwrap_or("{}");
    push_merged(out, event, part, |object, member| {
        if member.name == "on_behalf_of" {
            let out = object.member(member.name);
            return push_list(out, member.name, member.value, parts);
        }
        object.copy(member.text);
        Ok(())
    })
}

/// A list of the event, each element with its part.
fn push_list(
    out: &mut String,
    name: &str,
    event: &str,
    parts: &Parts<'_>,
) -> Result<(), Malformed> {
    out.push('[');
    cut::elements(event, |index, element| {
        if index > 0 {
            out.push(',');
        }
        push_joined(out, element, parts.of_element(name, index))
    })?;
    out.push(']');
    Ok(())
}

/// Two canonical objects as one.
fn push_joined(out: &mut String, event: &str, part: Option<&str>) -> Result<(), Malformed> {
    let Some(part) = part else {
        out.push_str(event);
        return Ok(());
    };
    push_merged(out, event, part, |object, member| {
        object.copy(member.text);
        Ok(())
    })
}

/// The members of two canonical objects, none of which may be in both, each written by `push`.
fn push_merged<'a>(
    out: &mut String,
    left: &'a str,
    right: &'a str,
    mut push: impl FnMut(&mut Object<'_>, Member<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut object = Object::open(out);
    let (mut left, mut right) = (Members::of(left).peekable(), Members::of(right).peekable());
    loop {
        let member = match (left.peek(), right.peek()) {
            (Some(Ok(a)), Some(Ok(b))) => match order(a.name.as_bytes(), b.name.as_bytes()) {
                Ordering::Less => left.next(),
                Ordering::Equal => return Err(Malformed),
                Ordering::Greater => right.next(),
            },
            (Some(_), _) => left.next(),
            (None, _) => right.next(),
        };
        let Some(member) = member else { break };
        push(&mut object, member?)?;
    }
    object.close();
    Ok(())
}
