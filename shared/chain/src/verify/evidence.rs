//! Verification from evidence lines (format §5): SHA-256 and a JSON parser. Never writes canonical text.

use uuid::Uuid;

use super::{Error, Place, Verified, Verifier, wrong};
use crate::cut::{self, Malformed};
use crate::digest::{VERSION, entry_hash, part_digest};
use crate::hash::Hash;
use crate::json::scan::scan;
use crate::json::{Buffers, Tree, Value};
use crate::timestamp::Timestamp;

/// Nesting of an evidence line and of a document: more than either needs, since members may be added.
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

/// The members of a document that matter.
struct Document<'a> {
    place: Place<'a>,
    id: Uuid,
    personal: Vec<(&'a str, Hash)>,
}

impl Verifier {
    /// The next entry in evidence form: one line, with or without its line end. Members of the line other than
    /// `document`, `parts` and `proof` are ignored.
    pub fn line<'a>(&'a mut self, line: &'a [u8]) -> Result<Verified<'a>, Error> {
        let Self {
            position, buffers, ..
        } = self;
        let [of_line, of_document] = buffers;
        let seq = position.head.size;
        let stop = |stop: Stop| stop.of_entry(seq);
        let line = Line::read(line, of_line).map_err(stop)?;
        let document = Document::read(line.document, of_document).map_err(stop)?;
        position
            .follow(&document.place)
            .map_err(|(member, message)| stop(Stop::in_document(member, message)))?;
        let withheld = check_parts(&document.personal, &line.parts).map_err(stop)?;
        let hash = entry_hash(line.document);
        position.advance(hash, document.place.received_at);
        Ok(Verified {
            seq,
            id: document.id,
            hash,
            received_at: document.place.received_at,
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
    fn read(document: &'a str, buffers: &mut Buffers) -> Result<Self, Stop> {
        let tree = scan(document.as_bytes(), LEVELS, buffers)
            .map_err(|_| Stop::at("document", "not JSON"))?;
        if tree.faulty {
            return Err(Stop::at(
                "document",
                "has a member twice, or is not proper text",
            ));
        }
        let members: Vec<(&str, &str)> =
            cut::members(document)
                .collect::<Result<_, Malformed>>()
                .map_err(|Malformed| Stop::at("document", "not in canonical form"))?;
        let member = |wanted: &str| {
            let found = members.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| *value)
        };
        // First of all: nothing else is known of another version.
        let version = member("version").unwrap_or("");
        if version.parse() != Ok(VERSION) {
            return Err(Stop::UnknownVersion(version.to_owned()));
        }
        let string = |name: &str| {
            member(name)
                .and_then(|value| cut::string(value).ok())
                .ok_or_else(|| Stop::in_document(name, "missing or not a plain string"))
        };
        let wrong = |name: &'static str, message| move || Stop::in_document(name, message);
        let seq = member("seq").and_then(|seq| seq.parse().ok());
        let personal = member("personal")
            .and_then(|personal| digests(personal).ok())
            .ok_or_else(wrong("personal", "not an object of digests"))?;
        let id = member("event")
            .and_then(|event| cut::member(event, "id").ok().flatten())
            .and_then(|id| cut::string(id).ok())
            .and_then(|id| Uuid::try_parse(id).ok())
            .ok_or_else(wrong("event", "has no id"))?;
        Ok(Self {
            place: Place {
                tenant: string("tenant")?,
                partition: string("partition")?,
                seq: seq.ok_or_else(wrong("seq", "not an integer"))?,
                received_at: received_at(string("received_at")?)
                    .ok_or_else(wrong("received_at", "not a time as the format writes it"))?,
                previous: string("previous")?
                    .parse()
                    .map_err(|_| Stop::in_document("previous", "not a digest"))?,
            },
            id,
            personal,
        })
    }
}

/// Only the one text form; another would be another document for the same instant.
fn received_at(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    (time.to_string() == text).then_some(time)
}

fn digests(personal: &str) -> Result<Vec<(&str, Hash)>, Malformed> {
    cut::members(personal)
        .map(|member| {
            let (name, digest) = member?;
            let digest = cut::string(digest)?.parse().map_err(|_| Malformed)?;
            Ok((name, digest))
        })
        .collect()
}

/// Checks the parts that are given; names those that are not.
fn check_parts(personal: &[(&str, Hash)], given: &[Given<'_>]) -> Result<Vec<String>, Stop> {
    // Both are in canonical order and without duplicates, so one walk finds every pair.
    let mut withheld = Vec::new();
    let mut given = given.iter().peekable();
    for &(name, digest) in personal {
        let Some(part) = given.next_if(|part| part.name == name) else {
            withheld.push(name.to_owned());
            continue;
        };
        let place = |member| format!("parts/{name}/{member}");
        let salt = part
            .salt
            .parse()
            .map_err(|_| Stop::Wrong(place("salt"), "not 32 lower-case hexadecimal digits"))?;
        if part_digest(salt, name, part.text) != digest {
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
