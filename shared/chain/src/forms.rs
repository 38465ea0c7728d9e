//! The forms in which a stored entry is given out (format §5). Never hashed, never stored.

use std::iter;

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
        let whole = ["changes", "context", "description", "metadata"];
        let whole = whole.into_iter();
        let whole = whole.filter_map(|name| Some((name, Member::Posted(parts.get(name)?))));
        let event = cut::members(&self.event)?.into_iter();
        let posted = merged(
            event.map(|(name, text)| (name, Member::Posted(text))),
            whole,
        );
        let added = Added::ALL.into_iter();
        let added = added.filter(|(_, added)| match added {
            Added::Erased => residue.is_some(),
            Added::Generation => self.generation > 1,
            _ => true,
        });
        let added = added.map(|(name, added)| (name, Member::Added(added)));
        push_object(out, merged(posted, added), |out, name, member| {
            match (name, member) {
                ("actor", Member::Posted(text)) => push_actor(out, text, parts)?,
                ("attachments" | "targets", Member::Posted(text)) => {
                    push_list(out, name, text, parts)?;
                }
                ("outcome", Member::Posted(text)) => push_joined(out, text, parts.get(name))?,
                (_, Member::Posted(text)) => out.push_str(text),
                (_, Member::Added(added)) => self.push_added(out, added, residue),
            }
            Ok(())
        })
    }

    fn push_added(&self, out: &mut String, added: Added, residue: Option<&Residue<'_>>) {
        match added {
            Added::Erased => {
                let erased = residue.into_iter().flat_map(Residue::erased);
                push_array(out, erased, push_string);
            }
            Added::Generation => out.push_str(itoa::Buffer::new().format(self.generation)),
            Added::Hash => push_digits(out, &self.hash.0),
            Added::Partition => push_string(out, &self.partition),
            Added::Previous => push_digits(out, &self.previous.0),
            Added::ReceivedAt => self.received_at.push_text(out),
            Added::Seq => out.push_str(itoa::Buffer::new().format(self.seq)),
            Added::Tenant => push_string(out, &self.tenant),
        }
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

/// What a member of the reading form is made of.
enum Member<'a> {
    /// A text of the event or of the parts.
    Posted(&'a str),
    Added(Added),
}

/// Members that the service adds.
#[derive(Clone, Copy)]
enum Added {
    Erased,
    Generation,
    Hash,
    Partition,
    Previous,
    ReceivedAt,
    Seq,
    Tenant,
}

impl Added {
    /// In canonical order.
    const ALL: [(&'static str, Self); 8] = [
        ("erased", Self::Erased),
        ("generation", Self::Generation),
        ("hash", Self::Hash),
        ("partition", Self::Partition),
        ("previous", Self::Previous),
        ("received_at", Self::ReceivedAt),
        ("seq", Self::Seq),
        ("tenant", Self::Tenant),
    ];
}

/// Members of two objects, both in canonical order, as those of one. A name that both have comes twice.
fn merged<'a, T>(
    left: impl IntoIterator<Item = (&'a str, T)>,
    right: impl IntoIterator<Item = (&'a str, T)>,
) -> impl Iterator<Item = (&'a str, T)> {
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some((a, _)), Some((b, _))) if order(a.as_bytes(), b.as_bytes()).is_gt() => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}

fn push_actor(out: &mut String, event: &str, parts: &Parts<'_>) -> Result<(), Malformed> {
    let part = parts.get("actor").map(cut::members).transpose()?;
    let members = merged(cut::members(event)?, part.unwrap_or_default());
    push_object(out, members, |out, name, text| {
        if name == "on_behalf_of" {
            return push_list(out, name, text, parts);
        }
        out.push_str(text);
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
    for (index, element) in cut::elements(event)?.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_joined(out, element, parts.of_element(name, index))?;
    }
    out.push(']');
    Ok(())
}

/// Two canonical objects as one.
fn push_joined(out: &mut String, event: &str, part: Option<&str>) -> Result<(), Malformed> {
    let Some(part) = part else {
        out.push_str(event);
        return Ok(());
    };
    let members = merged(cut::members(event)?, cut::members(part)?);
    push_object(out, members, |out, _, text| {
        out.push_str(text);
        Ok(())
    })
}

/// An object of these members, none of which may come twice.
fn push_object<'a, T>(
    out: &mut String,
    members: impl Iterator<Item = (&'a str, T)>,
    mut push: impl FnMut(&mut String, &'a str, T) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut object = Object::open(out);
    let mut last = None;
    for (name, value) in members {
        if last == Some(name) {
            return Err(Malformed);
        }
        last = Some(name);
        push(object.member(name), name, value)?;
    }
    object.close();
    Ok(())
}
