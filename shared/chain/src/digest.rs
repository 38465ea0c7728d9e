//! The bytes that are hashed (format §3). Never stores, compares or trusts a hash.

pub(crate) mod batch;

use sha2::{Digest, Sha256};

use crate::hash::{Hash, Salt, push_hex};
use crate::json::object::Object;
use crate::timestamp::Timestamp;

/// Format version of the documents written here.
pub(crate) const VERSION: u64 = 1;

/// Salt of one part: tells nothing of `salt` or of other parts.
pub(crate) fn part_salt(salt: Salt, part: &str) -> Salt {
    let digest = Sha256::new()
        .chain_update(b"veritrail/salt/v1\n")
        .chain_update(salt.0)
        .chain_update(part)
        .finalize();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    Salt(first)
}

/// What stands before the part salt in the message of a part's digest.
pub(crate) const PART: &[u8; 18] = b"veritrail/part/v1\n";

/// Digest of one part. `value` is its canonical text.
pub(crate) fn part_digest(part_salt: Salt, part: &str, value: &str) -> Hash {
    let digest = Sha256::new()
        .chain_update(PART)
        .chain_update(part_salt.0)
        .chain_update(part)
        .chain_update(b"\n")
        .chain_update(value)
        .finalize();
    Hash(digest.into())
}

/// `previous` of the first entry of the chain with this origin line.
pub(crate) fn genesis(origin_line: &str) -> Hash {
    let digest = Sha256::new()
        .chain_update(b"veritrail/genesis/v1\n")
        .chain_update(origin_line)
        .finalize();
    Hash(digest.into())
}

/// Chain link and Merkle leaf of a document.
pub(crate) fn entry_hash(document: &str) -> Hash {
    let digest = Sha256::new()
        .chain_update([0])
        .chain_update(document)
        .finalize();
    Hash(digest.into())
}

/// The digest of a document, begun with what does not depend on its place in the chain. The members that do come last
/// in canonical order, so only they are left to hash.
#[derive(Clone)]
pub(crate) struct Begun(Sha256);

impl Begun {
    /// `personal` names parts in canonical order.
    pub(crate) fn new<'p>(
        event: &str,
        partition: &str,
        personal: impl IntoIterator<Item = (&'p str, Hash)>,
    ) -> Self {
        let mut out = String::with_capacity(event.len() + 512);
        push_content(&mut Object::open(&mut out), event, partition, personal);
        Self(Sha256::new().chain_update([0]).chain_update(out))
    }

    /// [`entry_hash`] of the whole document.
    pub(crate) fn at(&self, place: &Place<'_>) -> Hash {
        let mut out = String::with_capacity(256);
        let mut document = Object::go_on(&mut out);
        place.push(&mut document);
        document.close();
        Hash(self.0.clone().chain_update(out).finalize().into())
    }
}

/// Where an entry stands, as its document says it.
pub(crate) struct Place<'a> {
    pub(crate) previous: Hash,
    pub(crate) received_at: Timestamp,
    pub(crate) seq: u64,
    pub(crate) tenant: &'a str,
}

impl Place<'_> {
    fn push(&self, document: &mut Object<'_>) {
        push_digits(document.member("previous"), &self.previous.0);
        self.received_at.push_text(document.member("received_at"));
        document.integer("seq", self.seq);
        document.text("tenant", self.tenant);
        document.integer("version", VERSION);
    }
}

fn push_content<'p>(
    document: &mut Object<'_>,
    event: &str,
    partition: &str,
    personal: impl IntoIterator<Item = (&'p str, Hash)>,
) {
    document.member("event").push_str(event);
    document.text("partition", partition);
    let mut parts = Object::open(document.member("personal"));
    for (name, digest) in personal {
        push_digits(parts.member(name), &digest.0);
    }
    parts.close();
}

/// The canonical text of a document. `event` is canonical text, `personal` names parts in canonical order.
pub(crate) fn document<'p>(
    event: &str,
    partition: &str,
    personal: impl IntoIterator<Item = (&'p str, Hash)>,
    place: &Place<'_>,
) -> String {
    let mut out = String::with_capacity(event.len() + 1024);
    let mut document = Object::open(&mut out);
    push_content(&mut document, event, partition, personal);
    place.push(&mut document);
    document.close();
    out
}

/// Appends bytes as a JSON string of lower-case hexadecimal digits.
pub(crate) fn push_digits(out: &mut String, bytes: &[u8]) {
    out.push('"');
    push_hex(out, bytes);
    out.push('"');
}
