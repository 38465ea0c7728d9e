//! Checkpoints: the size and root of one chain's tree, signed
//! (<https://c2sp.org/tlog-checkpoint>).
//!
//! A chain's origin line is its chain origin (format, section 4) and at the
//! same time the name of the key that signs. Never decides whether a
//! checkpoint may be signed: that it extends the one before is the sealer's
//! business.

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use thiserror::Error;

use crate::Hash;
use crate::note::{self, Note, Signer, Verifier};

/// Why a checkpoint was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] note::Error),
    /// The note's text is no checkpoint.
    #[error("not a checkpoint")]
    Form,
    /// The key that is to sign or to verify has the name of another log.
    #[error("the checkpoint of another log")]
    Origin,
}

/// What a checkpoint says of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log, for a chain its chain origin.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over that many entries.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed: three lines, no extension lines.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            BASE64.encode(self.root.0)
        )
    }

    /// Reads the text of a note. Extension lines are allowed and passed over.
    ///
    /// # Errors
    /// [`Error::Form`] when it is no checkpoint.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let lines = text.strip_suffix('\n').ok_or(Error::Form)?;
        if lines.split('\n').any(str::is_empty) {
            return Err(Error::Form);
        }
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(Error::Form);
        };
        Ok(Self {
            origin: origin.to_owned(),
            size: decimal(size).ok_or(Error::Form)?,
            root: hash(root).ok_or(Error::Form)?,
        })
    }

    /// The checkpoint as a signed note.
    ///
    /// # Errors
    /// [`Error::Origin`] unless the signer's name is the origin.
    pub fn sign(&self, signer: &Signer) -> Result<String, Error> {
        if signer.verifier().name() != self.origin {
            return Err(Error::Origin);
        }
        Ok(signer.sign(&self.text())?)
    }

    /// The checkpoint in a signed note, if `verifier` signed it for the log of
    /// its own name. Signatures by others, such as witnesses, are passed over.
    ///
    /// # Errors
    /// [`Error::Note`] when the note or its signature is wrong; [`Error::Form`]
    /// when what was signed is no checkpoint; [`Error::Origin`] when it is that
    /// of another log.
    pub fn open(note: &str, verifier: &Verifier) -> Result<Self, Error> {
        let text = Note::parse(note)?.verify(std::slice::from_ref(verifier))?;
        let checkpoint = Self::parse(text)?;
        if checkpoint.origin == verifier.name() {
            Ok(checkpoint)
        } else {
            Err(Error::Origin)
        }
    }
}

/// A number as these formats write it: decimal, no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash as these formats write it: base64.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    Some(Hash(BASE64.decode(text).ok()?.try_into().ok()?))
}
