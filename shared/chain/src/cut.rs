//! Cutting canonical text into its members without building anything. Never accepts a name twice in an object that it
//! cuts, never nests deeper than its limit.

mod members;
pub(crate) mod strings;

use std::cmp::Ordering;

pub(crate) use self::members::{Member, Members};
use self::strings::{Searched, Strings};
use crate::json::text::{order, order_of_start_at};

/// Not canonical JSON as to where its members begin and end. (Escapes and digits are not looked at: whoever cuts a text
/// compares its hash.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Deepest nesting that is followed: what an entry may have, and what stands around it.
const LEVELS: u32 = 64;

/// Names and texts of the members of a canonical object.
pub(crate) fn members(text: &str) -> Result<Vec<(&str, &str)>, Malformed> {
    let mut members = Vec::with_capacity(16);
    for member in Members::of(text) {
        let Member { name, value, .. } = member?;
        members.push((name, value));
    }
    Ok(members)
}

/// Calls `element` with the text of each element of a canonical array, and its index.
pub(crate) fn elements<'a>(
    text: &'a str,
    mut element: impl FnMut(usize, &'a str) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut index = 0;
    whole(text, |cursor| {
        cursor.list(b'[', b']', |cursor| {
            element(index, cursor.value()?)?;
            index += 1;
            Ok(())
        })
    })
}

/// Cuts all of `text`.
pub(crate) fn whole<'a>(
    text: &'a str,
    cut: impl FnOnce(&mut Cursor<'a, Searched>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    whole_with(Searched, text, cut)
}

/// Cuts all of `text`, whose strings end where `strings` says.
pub(crate) fn whole_with<'a, S: Strings>(
    strings: S,
    text: &'a str,
    cut: impl FnOnce(&mut Cursor<'a, S>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(text, strings);
    cut(&mut cursor)?;
    cursor.end()
}

/// What a canonical string without escapes says.
pub(crate) fn string(text: &str) -> Result<&str, Malformed> {
    let inside = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(Malformed)?;
    if inside
        .as_bytes()
        .iter()
        .any(|byte| matches!(byte, b'"' | b'\\'))
    {
        return Err(Malformed);
    }
    Ok(inside)
}

/// A place in a canonical text.
pub(crate) struct Cursor<'a, S> {
    text: &'a str,
    at: usize,
    strings: S,
}

/// What stands between the quotes of a string without escapes.
#[derive(Clone, Copy)]
pub(crate) struct Plain {
    start: usize,
    end: usize,
}

/// A name, after its start as a number that sorts as names do.
type Name = (u64, Plain);

impl<'a, S: Strings> Cursor<'a, S> {
    fn new(text: &'a str, strings: S) -> Self {
        Self {
            text,
            at: 0,
            strings,
        }
    }

    /// Whether all was taken.
    fn end(&self) -> Result<(), Malformed> {
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    pub(crate) fn text_of(&self, plain: Plain) -> &'a str {
        &self.text[plain.start..plain.end]
    }

    pub(crate) fn bytes_of(&self, plain: Plain) -> &'a [u8] {
        &self.text.as_bytes()[plain.start..plain.end]
    }

    /// Calls `member` at the value of each member of the object that begins here; it must take the value. Names must
    /// be free of escapes and in canonical order, as in every object that this crate cuts.
    #[inline]
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Plain) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut last = None;
        self.list(b'{', b'}', |cursor| {
            let name = cursor.name(&mut last)?;
            member(cursor, name)
        })
    }

    /// Takes a member's name and what divides it from the value. `last` is the name before it.
    #[inline]
    fn name(&mut self, last: &mut Option<Name>) -> Result<Plain, Malformed> {
        let name = self.plain()?;
        let start = order_of_start_at(self.text.as_bytes(), name.start, name.end);
        if let Some((before, last)) = *last
            && before >= start
            && order(self.bytes_of(last), self.bytes_of(name)) != Ordering::Less
        {
            return Err(Malformed);
        }
        *last = Some((start, name));
        self.take(b':')?;
        Ok(name)
    }

    /// Takes the value that begins here.
    pub(crate) fn value(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        self.pass()?;
        Ok(&self.text[start..self.at])
    }

    /// Takes the value that begins here, whatever it is.
    pub(crate) fn pass(&mut self) -> Result<(), Malformed> {
        match self.next() {
            b'"' => self.string(),
            _ => self.skip(LEVELS),
        }
    }

    fn skip(&mut self, levels: u32) -> Result<(), Malformed> {
        match self.next() {
            b'"' => self.string(),
            b'{' if levels > 0 => self.list(b'{', b'}', |cursor| {
                cursor.string()?;
                cursor.take(b':')?;
                cursor.skip(levels - 1)
            }),
            b'[' if levels > 0 => self.list(b'[', b']', |cursor| cursor.skip(levels - 1)),
            b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => {
                self.at += self.text.as_bytes()[self.at..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                    .count();
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    /// Takes an object or array; `each` takes what stands between two commas.
    #[inline]
    fn list(
        &mut self,
        open: u8,
        close: u8,
        mut each: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.take(open)?;
        if self.next() == close {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self)?;
            let byte = self.next();
            self.at += 1;
            match byte {
                b',' => {}
                _ if byte == close => return Ok(()),
                _ => return Err(Malformed),
            }
        }
    }

    /// Takes a string.
    #[inline]
    fn string(&mut self) -> Result<(), Malformed> {
        if self.next() != b'"' {
            return Err(Malformed);
        }
        let bytes = self.text.as_bytes();
        self.at = self.strings.end(bytes, self.at).ok_or(Malformed)?;
        Ok(())
    }

    /// Takes a string without escapes.
    #[inline]
    fn plain(&mut self) -> Result<Plain, Malformed> {
        if self.next() != b'"' {
            return Err(Malformed);
        }
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        self.at = self.strings.plain_end(bytes, self.at).ok_or(Malformed)?;
        Ok(Plain {
            start,
            end: self.at - 1,
        })
    }

    /// Takes a string without escapes, and gives what it says.
    pub(crate) fn plain_string(&mut self) -> Result<&'a str, Malformed> {
        let plain = self.plain()?;
        Ok(self.text_of(plain))
    }

    #[inline]
    fn take(&mut self, expected: u8) -> Result<(), Malformed> {
        if self.next() == expected {
            self.at += 1;
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// The byte that stands here; 0 at the end (and for a U+0000, which nothing accepts either).
    #[inline]
    fn next(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_canonical_objects() {
        assert_eq!(members("{}"), Ok(vec![]));
        assert_eq!(
            members(r#"{"a":"x\"}","b":[1,{"c":"]"}],"d":-1.5,"e":null}"#),
            Ok(vec![
                ("a", r#""x\"}""#),
                ("b", r#"[1,{"c":"]"}]"#),
                ("d", "-1.5"),
                ("e", "null")
            ])
        );
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
            assert_eq!(members(text), Err(Malformed), "{text}");
        }
    }
}
