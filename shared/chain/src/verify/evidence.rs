//! Verification from evidence lines (format §5): SHA-256 and a JSON parser. Never writes canonical text.
//!
//! A line as this crate writes it is read by `usual`, anything else, and anything that is wrong, by `strict`. Both say
//! the same of every line that `usual` accepts; what the line says is checked here, the same way for both.

mod document;
mod strict;
mod usual;

use self::document::Document;
pub(super) use self::usual::Usual;
use super::{Error, Position, Verified, Verifier, wrong};
use crate::digest::{entry_hash, part_digest};
use crate::hash::Hash;

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
struct Line<'a, P> {
    document: &'a str,
    /// Where the quotes and backslashes of the document stand, and its hash, where they are known already.
    known: Option<(&'a [usize], Hash)>,
    /// In canonical order, none twice.
    parts: P,
    proof: Option<&'a str>,
}

/// A part that is given.
struct Given<'a> {
    name: &'a [u8],
    digest: PartDigest<'a>,
}

enum PartDigest<'a> {
    Of { salt: &'a str, text: &'a str },
    Computed(Hash),
}

impl PartDigest<'_> {
    fn of_part(self, name: &str) -> Result<Hash, Stop> {
        match self {
            Self::Computed(digest) => Ok(digest),
            Self::Of { salt, text } => {
                let salt = salt.parse().map_err(|_| {
                    let place = format!("parts/{name}/salt");
                    Stop::Wrong(place, "not 32 lower-case hexadecimal digits")
                })?;
                Ok(part_digest(salt, name, text))
            }
        }
    }
}

impl Verifier {
    /// The next entry in evidence form: one line, with or without its line end. Members of the line other than
    /// `document`, `parts` and `proof` are ignored.
    pub fn line<'a>(&'a mut self, line: &'a [u8]) -> Result<Verified<'a>, Error> {
        let Self {
            position,
            buffers,
            usual,
            ..
        } = self;
        let usual = usual.read(line).map(|line| position.check(line));
        let verified = if let Some(Ok(verified)) = usual {
            verified
        } else {
            // Whatever the usual reader made of it, what is wrong is said by the strict one.
            let checked = strict::read(line, buffers).and_then(|line| position.check(line));
            checked.map_err(|stop| stop.of_entry(position.head.size))?
        };
        position.advance(verified.hash, verified.received_at);
        Ok(verified)
    }
}

impl Position {
    /// Whether the line is the next entry's.
    fn check<'a, P>(&self, line: Line<'a, P>) -> Result<Verified<'a>, Stop>
    where
        P: Iterator<Item = Given<'a>>,
    {
        let document = match line.known {
            Some((marks, _)) => Document::cut_at_marks(line.document, marks)?,
            None => Document::cut(line.document)?,
        };
        let place = document.place()?;
        self.follow(&place)
            .map_err(|(member, message)| Stop::in_document(member, message))?;
        let id = document.id()?;
        let withheld = check_parts(&document.personal, line.parts)?;
        let hash = match line.known {
            Some((_, hash)) => hash,
            None => entry_hash(line.document),
        };
        Ok(Verified {
            seq: place.seq,
            id,
            hash,
            received_at: place.received_at,
            document: line.document,
            parts: document.personal.len(),
            proof: line.proof,
            withheld,
        })
    }
}

/// Checks the parts that are given; names those that are not.
fn check_parts<'a>(
    personal: &[(&str, &str)],
    given: impl Iterator<Item = Given<'a>>,
) -> Result<Vec<String>, Stop> {
    // Both are in canonical order and without duplicates, so one walk finds every pair.
    let mut withheld = Vec::new();
    let mut given = given.peekable();
    for &(name, recorded) in personal {
        let part = given.next_if(|part| part.name == name.as_bytes());
        let digest = part.map(|part| part.digest.of_part(name));
        if let Some(Ok(digest)) = &digest
            && digest.is_written(recorded)
        {
            continue;
        }
        let _: Hash = recorded
            .parse()
            .map_err(|_| Stop::in_document(&format!("personal/{name}"), "not a digest"))?;
        match digest {
            None => withheld.push(name.to_owned()),
            Some(digest) => {
                digest?;
                return Err(Stop::Wrong(
                    format!("parts/{name}/text"),
                    "does not give the digest in the document",
                ));
            }
        }
    }
    match given.next() {
        None => Ok(withheld),
        Some(part) => Err(Stop::Wrong(
            format!("parts/{}", String::from_utf8_lossy(part.name)),
            "not named in the document",
        )),
    }
}

#[cfg(test)]
mod tests;
