//! The rules of format §1 for single values. Never changes a value.

use uuid::Uuid;

/// `[a-z0-9][a-z0-9_-]{0,62}`
pub(super) fn is_partition(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && matches!(bytes.first(), Some(b'a'..=b'z' | b'0'..=b'9'))
        && bytes
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// `[a-z0-9_-]+(\.[a-z0-9_-]+)*`, at most 128 characters
pub(super) fn is_action(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut point = true;
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => point = false,
            b'.' if !point => point = true,
            _ => return false,
        }
    }
    !point && bytes.len() <= 128
}

/// `[a-z][a-z0-9_]{0,31}`
pub(super) fn is_actor_type(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 32
        && matches!(bytes.first(), Some(b'a'..=b'z'))
        && bytes
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// `[a-z0-9_.-]{1,63}`
pub(super) fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'))
}

pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A UUID in its hyphenated form, of any version, in either case.
pub(super) fn uuid(text: &str) -> Option<Uuid> {
    // Of the forms that `try_parse` knows only the hyphenated one has 36 characters.
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

/// Counted in Unicode scalar values.
pub(super) fn is_at_most(text: &str, most: usize) -> bool {
    text.len() <= most || text.chars().take(most + 1).count() <= most
}

pub(super) fn too_long(most: usize) -> &'static str {
    match most {
        64 => "must have at most 64 characters",
        128 => "must have at most 128 characters",
        _ => "must have at most 256 characters",
    }
}

pub(super) fn too_many(most: usize) -> &'static str {
    match most {
        8 => "must have at most 8 elements",
        32 => "must have at most 32 elements",
        _ => "must have at most 100 elements",
    }
}
