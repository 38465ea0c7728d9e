//! The installation's 32-byte secret and what is derived from it: the key that seals signing keys, the key behind refresh tokens, the bearer of the status feed.
//! It lives in a file beside the program and never in the database, so that a copy of the database alone signs nothing.

use std::path::Path;

use anyhow::Context;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretBox, SecretString};

const LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;

/// 32 random bytes, written as 64 lower-case hex digits and a newline in the secret file.
#[derive(Debug)]
pub struct Secret(SecretBox<[u8; LENGTH]>);

impl Clone for Secret {
    fn clone(&self) -> Secret {
        Secret::from_bytes(*self.0.expose_secret())
    }
}

impl Secret {
    /// A new secret and the text to write into the secret file (mode 0600).
    pub fn generate() -> (Secret, SecretString) {
        let bytes: [u8; LENGTH] = random();
        let mut text = hex(&bytes);
        text.push('\n');
        (Secret::from_bytes(bytes), SecretString::from(text))
    }

    pub fn from_bytes(bytes: [u8; LENGTH]) -> Secret {
        Secret(SecretBox::new(Box::new(bytes)))
    }

    /// Reads a secret file: 64 hex digits, white space around them ignored.
    pub fn read(path: &Path) -> anyhow::Result<Secret> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the secret file {}", path.display()))?;
        Secret::parse(&text)
            .with_context(|| format!("the secret file {} is not 64 hex digits", path.display()))
    }

    fn parse(text: &str) -> Option<Secret> {
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * LENGTH {
            return None;
        }
        let mut bytes = [0; LENGTH];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Secret::from_bytes(bytes))
    }

    /// The bearer token of `GET /internal/status` where `INTERNAL_SECRET` does not set another one.
    pub fn internal(&self) -> SecretString {
        SecretString::from(hex(&self.derive("veritrail/internal/v1")))
    }

    /// HMAC-SHA-256 of `message` under a key of its own for `purpose`.
    pub(crate) fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.derive(purpose), message)
    }

    /// AES-256-GCM: a random nonce, then the cipher text; `name` is authenticated with it, so that two sealed values cannot change places.
    pub(crate) fn seal(&self, name: &str, clear: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut sealed = clear.to_vec();
        let nonce = self
            .sealing_key()?
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .context("cannot seal")?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut sealed);
        Ok(out)
    }

    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (nonce, cipher) = sealed
            .split_first_chunk::<NONCE_LENGTH>()
            .context("the sealed value is too short")?;
        let mut buffer = cipher.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let clear = self
            .sealing_key()?
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut buffer)
            .context("the value was sealed under another secret, or changed")?;
        Ok(clear.to_vec())
    }

    fn sealing_key(&self) -> anyhow::Result<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.derive("veritrail/seal/v1"))
            .context("cannot make the sealing key")
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(self.0.expose_secret(), purpose.as_bytes())
    }
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

/// Bytes of the operating system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes any text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_secret_reads_back_and_opens_what_it_sealed() {
        let (secret, text) = Secret::generate();
        let read = Secret::parse(text.expose_secret()).unwrap();
        let sealed = secret.seal("kid", b"private").unwrap();
        assert_eq!(read.open("kid", &sealed).unwrap(), b"private");
        assert!(read.open("other kid", &sealed).is_err());
        assert_eq!(
            secret.internal().expose_secret(),
            read.internal().expose_secret()
        );
    }

    #[test]
    fn another_secret_and_a_changed_byte_open_nothing() {
        let secret = Secret::from_bytes([7; 32]);
        let mut sealed = secret.seal("kid", b"private").unwrap();
        assert!(Secret::from_bytes([8; 32]).open("kid", &sealed).is_err());
        sealed[15] ^= 1;
        assert!(secret.open("kid", &sealed).is_err());
        assert!(secret.open("kid", b"short").is_err());
    }

    #[test]
    fn only_64_hex_digits_are_a_secret() {
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert!(Secret::parse(text).is_none(), "{text}");
        }
    }
}
