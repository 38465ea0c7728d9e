//! Cutting canonical text into its members without building anything. Never accepts a name twice, never recurses.

use std::cmp::Ordering;

use crate::json::text::{end_of_string, order};

/// Not a canonical object (or array) as to where its members begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Names and texts of the members of a canonical object. Names must be free of escapes and in canonical order, which
/// every object has that this crate cuts.
pub(crate) struct Members<'a> {
    rest: Elements<'a>,
    last: Option<&'a str>,
}

/// Texts of the elements of a canonical array.
pub(crate) struct Elements<'a> {
    text: &'a str,
    at: usize,
    close: u8,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Within,
    End,
}

pub(crate) fn members(text: &str) -> Members<'_> {
    Members {
        rest: Elements::new(text, b'{', b'}'),
        last: None,
    }
}

pub(crate) fn elements(text: &str) -> Elements<'_> {
    Elements::new(text, b'[', b']')
}

/// The text of one member of a canonical object.
pub(crate) fn member<'a>(text: &'a str, wanted: &str) -> Result<Option<&'a str>, Malformed> {
    let mut found = None;
    for member in members(text) {
        let (name, value) = member?;
        if name == wanted {
            found = Some(value);
        }
    }
    Ok(found)
}

/// What a canonical string without escapes says.
pub(crate) fn string(text: &str) -> Result<&str, Malformed> {
    let inside = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(Malformed)?;
    if inside.contains(['"', '\\']) {
        return Err(Malformed);
    }
    Ok(inside)
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(&'a str, &'a str), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rest.advance() {
            Ok(false) => None,
            Ok(true) => Some(self.member()),
            Err(malformed) => Some(Err(malformed)),
        }
    }
}

impl<'a> Members<'a> {
    fn member(&mut self) -> Result<(&'a str, &'a str), Malformed> {
        let name = string(self.rest.value()?)?;
        if self.rest.text.as_bytes().get(self.rest.at) != Some(&b':') {
            return Err(self.rest.fail());
        }
        self.rest.at += 1;
        let value = self.rest.value()?;
        if self
            .last
            .is_some_and(|last| order(last, name) != Ordering::Less)
        {
            return Err(self.rest.fail());
        }
        self.last = Some(name);
        Ok((name, value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a str, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(false) => None,
            Ok(true) => Some(self.value()),
            Err(malformed) => Some(Err(malformed)),
        }
    }
}

impl<'a> Elements<'a> {
    fn new(text: &'a str, open: u8, close: u8) -> Self {
        let begins = text.as_bytes().first() == Some(&open);
        Self {
            text,
            // Where it does not begin, `advance` finds neither value nor end.
            at: if begins { 1 } else { text.len() },
            close,
            state: State::Begin,
        }
    }

    /// To the next value; false behind the last.
    fn advance(&mut self) -> Result<bool, Malformed> {
        if self.state == State::End {
            return Ok(false);
        }
        match self.text.as_bytes().get(self.at) {
            Some(&byte) if byte == self.close => {
                self.state = State::End;
                if self.at + 1 == self.text.len() {
                    Ok(false)
                } else {
                    Err(Malformed)
                }
            }
            Some(b',') if self.state == State::Within => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if self.state == State::Begin => {
                self.state = State::Within;
                Ok(true)
            }
            _ => Err(self.fail()),
        }
    }

    /// Takes the value that begins here.
    fn value(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        match end_of_value(self.text.as_bytes(), start) {
            Some(end) => {
                self.at = end;
                self.text.get(start..end).ok_or_else(|| self.fail())
            }
            None => Err(self.fail()),
        }
    }

    fn fail(&mut self) -> Malformed {
        self.state = State::End;
        Malformed
    }
}

/// Deepest nesting that is followed: what an entry may have, and what stands around it.
const LEVELS: u32 = 64;

/// Index behind the value that begins at `start`.
fn end_of_value(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    // One bit for each open level, set for objects.
    let mut open: u64 = 0;
    let mut levels = 0;
    loop {
        match *bytes.get(at)? {
            b'"' => at = end_of_string(bytes, at)?,
            byte @ (b'{' | b'[') if levels < LEVELS => {
                open = open << 1 | u64::from(byte == b'{');
                levels += 1;
                at += 1;
            }
            byte @ (b'}' | b']') if levels > 0 && (open & 1 == 1) == (byte == b'}') => {
                open >>= 1;
                levels -= 1;
                at += 1;
            }
            b',' | b':' if levels > 0 => {
                at += 1;
                continue;
            }
            b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => {
                at += bytes[at..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                    .count();
            }
            _ => return None,
        }
        if levels == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(&str, &str)>, Malformed> {
        members(text).collect()
    }

    #[test]
    fn members_of_canonical_objects() {
        assert_eq!(all("{}"), Ok(vec![]));
        assert_eq!(
            all(r#"{"a":"x\"}","b":[1,{"c":"]"}],"d":-1.5,"e":null}"#),
            Ok(vec![
                ("a", r#""x\"}""#),
                ("b", r#"[1,{"c":"]"}]"#),
                ("d", "-1.5"),
                ("e", "null")
            ])
        );
        assert_eq!(member(r#"{"a":1,"b":2}"#, "b"), Ok(Some("2")));
        assert_eq!(member(r#"{"a":1,"b":2}"#, "c"), Ok(None));
    }

    #[test]
    fn what_is_not_one() {
        for text in [
            "",
            "{",
            "}",
            "[]",
            "null",
            "{}x",
            "{ }",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 }"#,
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":[}]}"#,
            r#"{"a":{"b":1]}"#,
            r#"{"a":"x}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":1"b":2}"#,
        ] {
            assert_eq!(all(text), Err(Malformed), "{text}");
        }
    }
}
