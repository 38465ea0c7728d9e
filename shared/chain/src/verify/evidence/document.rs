//! What a document says, cut from its text. Never compares it with anything.

use uuid::Uuid;

use super::Stop;
use crate::cut::strings::{Marked, Searched, Strings};
use crate::cut::{self, Malformed};
use crate::digest::VERSION;
use crate::timestamp::Timestamp;
use crate::verify::Place;

/// Parts for which there is room at first.
const USUAL_PARTS: usize = 8;

/// The members of a document that matter, as texts.
#[derive(Default)]
pub(super) struct Document<'a> {
    version: &'a str,
    id: &'a str,
    tenant: &'a str,
    partition: &'a str,
    seq: &'a str,
    received_at: &'a str,
    previous: &'a str,
    /// Names and digests.
    pub(super) personal: Vec<(&'a str, &'a str)>,
}

impl<'a> Document<'a> {
    pub(super) fn cut(text: &'a str) -> Result<Self, Stop> {
        Self::cut_with(Searched, text)
    }

    /// The same, of a text without control characters in which `marks` are the quotes and backslashes.
    pub(super) fn cut_at_marks(text: &'a str, marks: &[usize]) -> Result<Self, Stop> {
        Self::cut_with(Marked::new(marks), text)
    }

    fn cut_with(strings: impl Strings, text: &'a str) -> Result<Self, Stop> {
        let mut document = Self {
            personal: Vec::with_capacity(USUAL_PARTS),
            ..Self::default()
        };
        let cut = cut::whole_with(strings, text, |cursor| {
            cursor.object(|cursor, name| {
                match cursor.bytes_of(name) {
                    b"event" => cursor.object(|cursor, name| {
                        if cursor.bytes_of(name) == b"id" {
                            document.id = cursor.plain_string()?;
                            return Ok(());
                        }
                        cursor.pass()
                    })?,
                    b"personal" => cursor.object(|cursor, name| {
                        let digest = cursor.plain_string()?;
                        document.personal.push((cursor.text_of(name), digest));
                        Ok(())
                    })?,
                    b"partition" => document.partition = cursor.plain_string()?,
                    b"previous" => document.previous = cursor.plain_string()?,
                    b"received_at" => document.received_at = cursor.plain_string()?,
                    b"seq" => document.seq = cursor.value()?,
                    b"tenant" => document.tenant = cursor.plain_string()?,
                    b"version" => document.version = cursor.value()?,
                    _ => cursor.pass()?,
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

    pub(super) fn place(&self) -> Result<Place<'a>, Stop> {
        Ok(Place {
            tenant: self.tenant,
            partition: self.partition,
            seq: integer(self.seq).ok_or_else(|| Stop::in_document("seq", "not an integer"))?,
            received_at: Timestamp::from_text(self.received_at).ok_or_else(|| {
                Stop::in_document("received_at", "not a time as the format writes it")
            })?,
            previous: self
                .previous
                .parse()
                .map_err(|_| Stop::in_document("previous", "not a digest"))?,
        })
    }

    pub(super) fn id(&self) -> Result<Uuid, Stop> {
        Uuid::try_parse(self.id).map_err(|_| Stop::in_document("event/id", "not a UUID"))
    }
}

/// Only digits, without a leading zero.
fn integer(text: &str) -> Option<u64> {
    let integer = text.parse().ok()?;
    (itoa::Buffer::new().format::<u64>(integer) == text).then_some(integer)
}
