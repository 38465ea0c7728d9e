//! Signed notes with Ed25519 signatures (<https://c2sp.org/signed-note>,
//! signature type 0x01). Only signs and checks text: what the text says is the
//! matter of [`crate::checkpoint`]. Never makes or stores a key.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use ed25519_dalek::{Signature as Ed25519, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The signature type of Ed25519 in a verifier key and a key ID.
const ED25519: u8 = 0x01;

/// The most signatures that a note may carry here; the page asks for 16 or more.
const MOST_SIGNATURES: usize = 64;

/// Why a note, a key name or a verifier key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// Empty, or with a space, a plus or a control character.
    #[error("not a key name")]
    Name,
    /// Not a verifier key of an Ed25519 key, or its ID is another key's.
    #[error("not an Ed25519 verifier key")]
    Key,
    /// Not a text that can be signed, or not a signed note.
    #[error("not a signed note")]
    Form,
    /// No signature is by a key that the caller trusts.
    #[error("no signature by a known key")]
    Unknown,
    /// A signature names a trusted key and was not made by it for this text.
    #[error("a signature does not fit the text")]
    Signature,
}

/// A key that signs, under its name.
///
/// Its `Debug` form does not show the key.
#[derive(Clone)]
pub struct Signer {
    verifier: Verifier,
    key: SigningKey,
}

impl Signer {
    /// The signer called `name` with the key of a 32-byte seed (RFC 8032,
    /// section 5.1.5).
    ///
    /// # Errors
    /// [`Error::Name`] when `name` cannot be a key name.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        let key = SigningKey::from_bytes(seed);
        let verifier = Verifier::new(name, key.verifying_key())?;
        Ok(Self { verifier, key })
    }

    /// The public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The note of `text` with this signature.
    ///
    /// # Errors
    /// [`Error::Form`] when `text` does not end in a newline or has another
    /// control character.
    pub fn sign(&self, text: &str) -> Result<String, Error> {
        if !text.ends_with('\n') || !printable(text) {
            return Err(Error::Form);
        }
        let mut bytes = self.verifier.id.to_vec();
        bytes.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        Ok(format!(
            "{text}\n— {} {}\n",
            self.verifier.name,
            BASE64.encode(bytes)
        ))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer")
            .field(&self.verifier.to_string())
            .finish()
    }
}

/// A public key under its name; written and read as a verifier key,
/// `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl Verifier {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::Name);
        }
        Ok(Self {
            name: name.to_owned(),
            id: key_id(name, &key),
            key,
        })
    }

    /// The key name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same public key under another name, and so with another ID: one key
    /// serves all chains of an installation.
    ///
    /// # Errors
    /// [`Error::Name`] when `name` cannot be a key name.
    pub fn renamed(&self, name: &str) -> Result<Self, Error> {
        Self::new(name, self.key)
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        let id = u32::from_be_bytes(self.id);
        write!(f, "{}+{id:08x}+{}", self.name, BASE64.encode(key))
    }
}

impl FromStr for Verifier {
    type Err = Error;

    fn from_str(vkey: &str) -> Result<Self, Error> {
        // Neither name nor ID can hold a plus; the base64 of the key can.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::Key);
        };
        let key = BASE64.decode(key).map_err(|_| Error::Key)?;
        let Some((&ED25519, key)) = key.split_first() else {
            return Err(Error::Key);
        };
        let key = key.try_into().map_err(|_| Error::Key)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| Error::Key)?;
        let verifier = Self::new(name, key)?;
        // Writing it again compares the ID, and refuses every other way to write the rest.
        if verifier.to_string() == vkey {
            Ok(verifier)
        } else {
            Err(Error::Key)
        }
    }
}

/// The key ID: the beginning of SHA-256(name ‖ newline ‖ type ‖ public key).
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.as_bytes())
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// A signed note, taken apart; nothing in it is to be believed before
/// [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<Signature<'a>>,
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature<'a> {
    name: &'a str,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    ///
    /// # Errors
    /// [`Error::Form`] when it is not a signed note, or has more than 64
    /// signatures.
    pub fn parse(note: &'a str) -> Result<Self, Error> {
        // The last empty line divides: a text may have empty lines, signatures cannot.
        let blank = note.rfind("\n\n").ok_or(Error::Form)?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(Error::Form)?;
        if !printable(note) {
            return Err(Error::Form);
        }
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MOST_SIGNATURES {
                return Err(Error::Form);
            }
            signatures.push(Signature::parse(line).ok_or(Error::Form)?);
        }
        Ok(Self { text, signatures })
    }

    /// Checks the signatures of the keys that `trusted` has; the others say
    /// nothing. Returns the text, with its last newline.
    ///
    /// # Errors
    /// [`Error::Signature`] when a signature by one of these keys is wrong,
    /// whatever the others are; [`Error::Unknown`] when there is none by them.
    pub fn verify(&self, trusted: &[Verifier]) -> Result<&'a str, Error> {
        let mut verified = false;
        for signature in &self.signatures {
            let by = |key: &&Verifier| key.name == signature.name && key.id == signature.id;
            let Some(verifier) = trusted.iter().find(by) else {
                continue;
            };
            let bytes = Ed25519::from_slice(&signature.bytes).map_err(|_| Error::Signature)?;
            verifier
                .key
                .verify_strict(self.text.as_bytes(), &bytes)
                .map_err(|_| Error::Signature)?;
            verified = true;
        }
        if verified {
            Ok(self.text)
        } else {
            Err(Error::Unknown)
        }
    }
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = BASE64.decode(bytes).ok()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        let signature = Self {
            name,
            id: *id,
            bytes: bytes.to_vec(),
        };
        (is_name(name) && !bytes.is_empty()).then_some(signature)
    }
}

fn is_name(name: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c < ' ' || c == '+';
    !name.is_empty() && !name.contains(odd)
}

/// Whether a text has no control character below U+0020 other than newline.
fn printable(text: &str) -> bool {
    !text.bytes().any(|byte| byte < b' ' && byte != b'\n')
}
