//! Hashes and salts with their text forms. Never computes one.

use std::fmt;
use std::str::FromStr;

/// A text that is not the lower-case hexadecimal form of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {digits} lower-case hexadecimal digits")]
pub struct NotHex {
    digits: usize,
}

/// SHA-256 digest: chain link and Merkle leaf (format §3). Its text form is 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// 16 random bytes of an entry, or the part salt that follows from them (format §3). Its text form is 32 lower-case
/// hex digits. `Debug` shows nothing: whoever knows an entry's salt can guess what was erased from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

/// Appends the lower-case hexadecimal form of `bytes`.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.chunks(32) {
        let digits = hex(chunk);
        let digits = digits[..chunk.len()].as_flattened();
        out.push_str(std::str::from_utf8(digits).expect("hex digits are ASCII"));
    }
}

/// Two digits for each of up to 32 bytes. Without tables and branches, so that the compiler does sixteen at once.
#[inline]
fn hex(bytes: &[u8]) -> [[u8; 2]; 32] {
    let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
    let mut digits = [[0; 2]; 32];
    for (pair, byte) in digits.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

/// Exactly `N` bytes from exactly `2 * N` lower-case digits.
fn from_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut wrong = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks().0) {
        let pair = u16::from_le_bytes(*pair);
        let (high, not_high) = digit_value(pair & 0xff);
        let (low, not_low) = digit_value(pair >> 8);
        [*byte, _] = (high << 4 | low).to_le_bytes();
        wrong |= not_high | not_low;
    }
    (wrong & NEGATIVE == 0).then_some(bytes)
}

const NEGATIVE: u16 = 0x8000;

/// What a digit counts, and whether it is none, as [`NEGATIVE`]. Without tables and branches, so that the compiler does
/// eight pairs at once.
#[inline]
fn digit_value(digit: u16) -> (u16, u16) {
    let outside = |first: u8, last: u8| {
        digit.wrapping_sub(first.into()) | u16::from(last).wrapping_sub(digit)
    };
    let is_letter = digit >> 6 & 1;
    let value = (digit & 15) + 9 * is_letter;
    (value, outside(b'0', b'9') & outside(b'a', b'f'))
}

impl Hash {
    /// Whether `text` is the text form.
    pub(crate) fn is_written(&self, text: &str) -> bool {
        let Ok(text) = <&[u8; 64]>::try_from(text.as_bytes()) else {
            return false;
        };
        hex(&self.0).as_flattened() == text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(64);
        push_hex(&mut text, &self.0);
        f.write_str(&text)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        from_hex(text.as_bytes())
            .map(Self)
            .ok_or(NotHex { digits: 64 })
    }
}

impl Salt {
    /// The salt with this text form.
    pub(crate) fn from_digits(digits: &[u8]) -> Option<Self> {
        from_hex(digits).map(Self)
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(32);
        push_hex(&mut text, &self.0);
        f.write_str(&text)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl FromStr for Salt {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        Self::from_digits(text.as_bytes()).ok_or(NotHex { digits: 32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_in_every_place() {
        let text = "0123456789abcdef".repeat(4);
        let hash: Hash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        assert!(hash.is_written(&text));
        for place in 0..64 {
            for character in '\0'..='\u{ff}' {
                let mut changed: Vec<char> = text.chars().collect();
                changed[place] = character;
                let changed: String = changed.into_iter().collect();
                let parsed = changed.parse::<Hash>();
                let is_digit = matches!(character, '0'..='9' | 'a'..='f');
                assert_eq!(parsed.is_ok(), is_digit, "{changed}");
                assert!(parsed.is_err() || parsed.unwrap().to_string() == changed);
                assert_eq!(hash.is_written(&changed), changed == text);
            }
        }
        assert_eq!("".parse::<Hash>(), Err(NotHex { digits: 64 }));
        assert_eq!(text[1..].parse::<Hash>(), Err(NotHex { digits: 64 }));
        assert_eq!(text.parse::<Salt>(), Err(NotHex { digits: 32 }));
        assert!(!hash.is_written(&text[1..]));
    }
}
