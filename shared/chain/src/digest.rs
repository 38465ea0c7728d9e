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

/// What a document says beside the digests of its parts.
pub(crate) struct Document<'a> {
    /// Canonical text.
    pub(crate) event: &'a str,
    pub(crate) partition: &'a str,
    pub(crate) previous: Hash,
    pub(crate) received_at: Timestamp,
    pub(crate) seq: u64,
    pub(crate) tenant: &'a str,
}

impl Document<'_> {
    /// The canonical text. `personal` names parts in canonical order.
    pub(crate) fn text<'p>(&self, personal: impl IntoIterator<Item = (&'p str, Hash)>) -> String {
        let mut out = String::with_capacity(self.event.len() + 1024);
        let mut document = Object::open(&mut out);
        document.member("event").push_str(self.event);
        document.text("partition", self.partition);
        let mut parts = Object::open(document.member("personal"));
        for (name, digest) in personal {
            push_digits(parts.member(name), &digest.0);
        }
        parts.close();
        push_digits(document.member("previous"), &self.previous.0);
        self.received_at.push_text(document.member("received_at"));
        document.integer("seq", self.seq);
        document.text("tenant", self.tenant);
        document.integer("version", VERSION);
        document.close();
        out
    }
}

/// Appends bytes as a JSON string of lower-case hexadecimal digits.
pub(crate) fn push_digits(out: &mut String, bytes: &[u8]) {
    out.push('"');
    push_hex(out, bytes);
    out.push('"');
}
