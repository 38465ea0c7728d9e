//! Entry bundles: up to 256 documents, each after its length as a big-endian
//! uint16 (<https://c2sp.org/tlog-tiles>). Never looks into a document.

use super::{Error, WIDTH};

/// The bytes of the bundle of these documents.
///
/// # Errors
/// [`Error::Document`] when one is longer than 65,535 bytes; [`Error::Bytes`]
/// when they are none or more than 256.
pub fn encode<'a>(documents: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut width = 0;
    for document in documents {
        let length = u16::try_from(document.len()).map_err(|_| Error::Document)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(document.as_bytes());
        width += 1;
    }
    if (1..=WIDTH).contains(&width) {
        Ok(bytes)
    } else {
        Err(Error::Bytes)
    }
}

/// The documents in the bytes of a bundle that must hold `width` of them.
///
/// # Errors
/// [`Error::Bytes`] when the bytes end too early or too late, or a document is
/// not UTF-8.
pub fn decode(width: u16, bytes: &[u8]) -> Result<Vec<&str>, Error> {
    let mut documents = Vec::with_capacity(width.into());
    let mut rest = bytes;
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk().ok_or(Error::Bytes)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (document, after) = after.split_at_checked(length).ok_or(Error::Bytes)?;
        documents.push(str::from_utf8(document).map_err(|_| Error::Bytes)?);
        rest = after;
    }
    if rest.is_empty() {
        Ok(documents)
    } else {
        Err(Error::Bytes)
    }
}
