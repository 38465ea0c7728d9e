//! JSON bodies to values: where it went wrong is told by line and column or by JSON Pointer.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::error::ApiError;

/// Longest message in a place, in characters: serde's messages quote what they refuse.
const MAX_MESSAGE: usize = 200;

/// Parses one JSON text: 400 for what is not UTF-8 or not JSON, 422 with the pointer for members
/// that do not fit `T` and for strings with U+0000.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(body).map_err(|error| ApiError::BadRequest {
        code: "invalid_utf8",
        detail: format!("not UTF-8 at byte {}", error.valid_up_to()),
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer);
    let value = value.map_err(|error| {
        let path = pointer(error.path());
        refused(path, &error.into_inner())
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    // Only this escape can make a NUL: a bare one is not JSON.
    if text.contains("\\u0000")
        && let Ok(whole) = serde_json::from_str::<Value>(text)
        && let Some(path) = find_nul(&whole)
    {
        return Err(ApiError::invalid(path, "contains U+0000"));
    }
    Ok(value)
}

fn refused(mut path: String, error: &serde_json::Error) -> ApiError {
    if error.classify() != Category::Data {
        return malformed(error);
    }
    let message = error.to_string();
    // serde_json appends the position, which the pointer says better.
    let message = match message.rfind(" at line ") {
        Some(end) => &message[..end],
        None => &message,
    };
    let (path_ends, message) = match named_member(message) {
        Some((name, short)) if !path.ends_with(&format!("/{}", escape(name))) => {
            (Some(escape(name)), short)
        }
        Some((_, short)) => (None, short),
        None => (None, message),
    };
    if let Some(name) = path_ends {
        path.push('/');
        path.push_str(&name);
    }
    ApiError::invalid(path, shorten(message.to_owned()))
}

/// The member that a serde message names, with a message that need not repeat it.
fn named_member(message: &str) -> Option<(&str, &'static str)> {
    let kinds = [
        ("missing field `", "is missing"),
        ("unknown field `", "is not known here"),
        ("duplicate field `", "is given twice"),
    ];
    kinds.into_iter().find_map(|(start, short)| {
        let rest = message.strip_prefix(start)?;
        Some((rest.split('`').next()?, short))
    })
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    ApiError::BadRequest {
        code: "malformed_json",
        detail: format!("not JSON at line {line} column {column}"),
    }
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&escape(key));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// RFC 6901 §3.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| Some(format!("/{index}{}", find_nul(item)?))),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            if name.contains('\0') {
                return Some(String::new());
            }
            Some(format!("/{}{}", escape(name), find_nul(member)?))
        }),
        _ => None,
    }
}

pub(super) fn shorten(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}
