//! Verification from evidence lines (format §5): SHA-256 and a JSON parser. Never writes canonical text.

use uuid::Uuid;

use super::{Error, Place, Verified, Verifier, wrong};
use crate::cut::{self, Malformed};
use crate::digest::{VERSION, entry_hash, part_digest};
use crate::hash::Hash;
use crate::json::scan::scan;
use crate::json::{Buffers, Tree, Value};
use crate::timestamp::Timestamp;

/// Nesting of an evidence line: more than it needs, since members may be added.
const LEVELS: u32 = 64;

/// Why a line is refused, before it is known which entry should have stood there.
enum Stop {
    Wrong(String, &'static str),
    UnknownVersion(String),
}

impl Stop {
    fn at(place: &str, message: &'static str) -> Self {
        Self::Wrong(place.to_owned(), message)
    }

    fn in_document(member: &str, message: &'static str) -> Self {
        Self::Wrong(format!("document/{member}"), message)
    }

    fn of_entry(self, seq: u64) -> Error {
        match self {
            Self::Wrong(place, message) => wrong(seq, &place, message),
            Self::UnknownVersion(version) => Error::UnknownVersion { seq, version },
        }
    }
}

/// The members of a line that matter.
struct Line<'a> {
    document: &'a str,
    parts: Vec<Given<'a>>,
    proof: Option<&'a str>,
}

/// A part that is given.
struct Given<'a> {
    name: &'a str,
    salt: &'a str,
    text: &'a str,
}

/// The members of a document that matter, as texts.
#[derive(Default)]
struct Document<'a> {
    version: &'a str,
    id: &'a str,
    tenant: &'a str,
    partition: &'a str,
    seq: &'a str,
    received_at: &'a str,
    previous: &'a str,
    /// Names and digests.
    personal: Vec<(&'a str, &'a str)>,
}

impl Verifier {
    /// The next entry in evidence form: one line, with or without its line end. Members of the line other than
    /// `document`, `parts` and `proof` are ignored.
    pub fn line<'a>(&'a mut self, line: &'a [u8]) -> Result<Verified<'a>, Error> {
        let Self {
            position, buffers, ..
        } = self;
        let seq = position.head.size;
        let stop = |stop: Stop| stop.of_entry(seq);
        let line = Line::read(line, buffers).map_err(stop)?;
        let document = Document::cut(line.document).map_err(stop)?;
        let place = document.place().map_err(stop)?;
        position
            .follow(&place)
            .map_err(|(member, message)| stop(Stop::in_document(member, message)))?;
        let id = document.id().map_err(stop)?;
        let withheld = check_parts(&document.personal, &line.parts).map_err(stop)?;
        let hash = entry_hash(line.document);
        position.advance(hash, place.received_at);
        Ok(Verified {
            seq,
            id,
            hash,
            received_at: place.received_at,
            document: line.document,
            proof: line.proof,
            withheld,
        })
    }
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8], buffers: &'a mut Buffers) -> Result<Self, Stop> {
        let tree = scan(line, LEVELS, buffers).map_err(|_| Stop::at("", "not JSON in UTF-8"))?;
        if tree.faulty {
            return Err(Stop::at("", "has a member twice, or is not proper text"));
        }
        let mut document = None;
        let mut parts = None;
        let mut proof = None;
        for (name, value) in members(&tree, tree.root).ok_or(Stop::at("", "not an object"))? {
            match name {
                "document" => document = text(&tree, value),
                "parts" => parts = Some(Self::parts(&tree, value)?),
                "proof" => {
                    proof = Some(text(&tree, value).ok_or(Stop::at("proof", "not a string"))?);
                }
                _ => {}
            }
        }
        Ok(Self {
            document: document.ok_or(Stop::at("document", "missing or not a string"))?,
            parts: parts.ok_or(Stop::at("parts", "missing"))?,
            proof,
        })
    }

    fn parts(tree: &Tree<'a>, value: Value) -> Result<Vec<Given<'a>>, Stop> {
        let parts = members(tree, value).ok_or(Stop::at("parts", "not an object"))?;
        parts
            .map(|(name, value)| {
                let mut salt = None;
                let mut string = None;
                for (name, value) in members(tree, value).into_iter().flatten() {
                    match name {
                        "salt" => salt = text(tree, value),
                        "text" => string = text(tree, value),
                        _ => {}
                    }
                }
                match (salt, string) {
                    (Some(salt), Some(text)) => Ok(Given { name, salt, text }),
                    _ => Err(Stop::Wrong(
                        format!("parts/{name}"),
                        "has no salt or no text",
                    )),
                }
            })
            .collect()
    }
}

fn members<'t, 'a>(
    tree: &'t Tree<'a>,
    value: Value,
) -> Option<impl Iterator<Item = (&'a str, Value)> + use<'t, 'a>> {
    let Value::Object(first, end) = value else {
        return None;
    };
    let members = tree.members(first, end).iter();
    Some(members.map(|member| (tree.text(member.name), member.value)))
}

fn text<'a>(tree: &Tree<'a>, value: Value) -> Option<&'a str> {
    match value {
        Value::Text(text) => Some(tree.text(text)),
        _ => None,
    }
}

impl<'a> Document<'a> {
    fn cut(text: &'a str) -> Result<Self, Stop> {
        let mut document = Self::default();
        let cut = cut::whole(text, |cursor| {
            cursor.object(|cursor, name| {
                match name {
                    "event" => cursor.object(|cursor, name| {
                        let value = cursor.value()?;
                        if name == "id" {
                            document.id = cut::string(value)?;
                        }
                        Ok(())
                    })?,
                    "personal" => cursor.object(|cursor, name| {
                        let digest = cut::string(cursor.value()?)?;
                        document.personal.push((name, digest));
                        Ok(())
                    })?,
                    "partition" => document.partition = cut::string(cursor.value()?)?,
                    "previous" => document.previous = cut::string(cursor.value()?)?,
                    "received_at" => document.received_at = cut::string(cursor.value()?)?,
                    "seq" => document.seq = cursor.value()?,
                    "tenant" => document.tenant = cut::string(cursor.value()?)?,
                    "version" => document.version = cursor.value()?,
                    _ => drop(cursor.value()?),
                }
                Ok(())
            })
        });
        // First of all: of another version nothing else is known.
        if cut.is_ok() && document.version.parse() != Ok(VERSION) {
            return Err(Stop::UnknownVersion(document.version.to_owned()));
        }
        match cut {
            Ok(()) => Ok(document),
            Err(Malformed) => Err(Stop::at("document", "not a canonical document")),
        }
    }

    fn place(&self) -> Result<Place<'a>, Stop> {
        Ok(Place {
            tenant: self.tenant,
            partition: self.partition,
            seq: integer(self.seq).ok_or(Stop::in_document("seq", "not an integer"))?,
            received_at: received_at(self.received_at).ok_or(Stop::in_document(
                "received_at",
                "not a time as the format writes it",
            ))?,
            previous: digest(self.previous).ok_or(Stop::in_document("previous", "not a digest"))?,
        })
    }

    fn id(&self) -> Result<Uuid, Stop> {
        Uuid::try_parse(self.id).map_err(|_| Stop::in_document("event/id", "not a UUID"))
    }
}

/// Only the one text form; another would be another document for the same instant.
fn received_at(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    (time.to_string() == text).then_some(time)
}

/// Only digits, without a leading zero.
fn integer(text: &str) -> Option<u64> {
    let integer = text.parse().ok()?;
    (itoa::Buffer::new().format::<u64>(integer) == text).then_some(integer)
}

fn digest(text: &str) -> Option<Hash> {
    text.parse().ok()
}

/// Checks the parts that are given; names those that are not.
fn check_parts(personal: &[(&str, &str)], given: &[Given<'_>]) -> Result<Vec<String>, Stop> {
    // Both are in canonical order and without duplicates, so one walk finds every pair.
    let mut withheld = Vec::new();
    let mut given = given.iter().peekable();
    for &(name, recorded) in personal {
        let recorded = digest(recorded)
            .ok_or_else(|| Stop::in_document(&format!("personal/{name}"), "not a digest"))?;
        let Some(part) = given.next_if(|part| part.name == name) else {
            withheld.push(name.to_owned());
            continue;
        };
        let place = |member| format!("parts/{name}/{member}");
        let salt = part
            .salt
            .parse()
            .map_err(|_| Stop::Wrong(place("salt"), "not 32 lower-case hexadecimal digits"))?;
        if part_digest(salt, name, part.text) != recorded {
            return Err(Stop::Wrong(
                place("text"),
                "does not give the digest in the document",
            ));
        }
    }
    match given.next() {
        None => Ok(withheld),
        Some(part) => Err(Stop::Wrong(
            format!("parts/{}", part.name),
            "not named in the document",
        )),
    }
}
