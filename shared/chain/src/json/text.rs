//! Strings: finding their end, their canonical text, the order of names. Never decides what a string may say.

use std::cmp::Ordering;

use wide::u8x16;

use super::bits::are_control;

const HIGH: u64 = 0x8080_8080_8080_8080;

/// Bytes looked at together.
pub(crate) const CHUNK: usize = 16;

/// How many bytes at the start of `chunk` are plain characters of a JSON string: no quote, no backslash, no control
/// character.
#[inline]
pub(crate) fn plain(chunk: [u8; CHUNK]) -> usize {
    let bytes = u8x16::new(chunk);
    let are = |byte| bytes.simd_eq(u8x16::splat(byte));
    let special = are(b'"') | are(b'\\') | are_control(bytes);
    // A bit behind them for a chunk without any.
    (special.to_bitmask() | 1 << CHUNK).trailing_zeros() as usize
}

/// Index of the first byte at or after `from` that ends a run of plain characters; `bytes.len()` when there is none.
#[inline]
pub(crate) fn plain_until(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let count = plain(chunk);
        at += count;
        if count < CHUNK {
            return at;
        }
    }
    while at < bytes.len() && !matches!(bytes[at], b'"' | b'\\' | 0..=0x1f) {
        at += 1;
    }
    at
}

/// Appends the canonical JSON string (RFC 8785 §3.2.2.2) of `text`.
pub(crate) fn push(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

/// What stands between the quotes.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    loop {
        let end = plain_until(bytes, start);
        out.push_str(&text[start..end]);
        let Some(&byte) = bytes.get(end) else { break };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            control => {
                out.push_str("\\u00");
                crate::hash::push_hex(out, &[control]);
            }
        }
        start = end + 1;
    }
}

/// Whether `text` is exactly one JSON string, as to where it begins and ends.
pub(crate) fn is_one_string(text: &str) -> bool {
    text.starts_with('"') && end_of_string(text.as_bytes(), 0) == Some(text.len())
}

/// Index behind the closing quote of the string that begins at `start`; escapes are stepped over, not checked.
pub(crate) fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at = plain_until(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => return None,
        }
    }
}

/// Order of names by UTF-16 code units (RFC 8785 §3.2.3).
pub(crate) fn order(a: &[u8], b: &[u8]) -> Ordering {
    let same_words = a
        .chunks_exact(CHUNK)
        .zip(b.chunks_exact(CHUNK))
        .take_while(|(x, y)| x == y)
        .count();
    let (a, b) = (&a[same_words * CHUNK..], &b[same_words * CHUNK..]);
    match a.iter().zip(b).position(|(x, y)| x != y) {
        None => a.len().cmp(&b.len()),
        // UTF-8 sorts by code point. UTF-16 differs in one thing: surrogates (first byte F0 to F4 here) come before
        // U+E000 to U+FFFF (EE and EF).
        Some(at) => units(a[at]).cmp(&units(b[at])),
    }
}

/// The start of a name as a number that sorts as [`order`] does; equal for names that start alike.
pub(crate) fn order_of_start(name: &[u8]) -> u64 {
    let mut start = name.first_chunk().copied().unwrap_or_else(|| {
        let mut start = [0; 8];
        for (to, from) in start.iter_mut().zip(name) {
            *to = *from;
        }
        start
    });
    if !start.is_ascii() {
        start = start.map(units);
    }
    u64::from_be_bytes(start)
}

/// [`order_of_start`] of the name from `start` to `end`.
#[inline]
pub(crate) fn order_of_start_at(text: &[u8], start: usize, end: usize) -> u64 {
    let length = end - start;
    match text[start..]
        .first_chunk()
        .map(|name| u64::from_be_bytes(*name))
    {
        Some(name) if name & HIGH == 0 && length >= 8 => name,
        Some(name) if name & HIGH == 0 => name & !(u64::MAX >> (8 * length)),
        _ => order_of_start(&text[start..end]),
    }
}

fn units(byte: u8) -> u8 {
    match byte {
        0xee | 0xef => byte + 0x10,
        _ => byte,
    }
}
