//! From bytes to a tree, in one pass. Never accepts what RFC 8259 does not, never recurses below the nesting limit.

mod strings;

use super::text::order_of_start;
use super::{Buffers, Form, Member, Text, Tree, Value, sort};

/// Not JSON in UTF-8 (or, at 4 GiB, too long to index).
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotJson;

/// Reads one JSON text. Objects and arrays below `levels` become [`Value::TooDeep`].
pub(crate) fn scan<'a>(
    bytes: &'a [u8],
    levels: u32,
    buffers: &'a mut Buffers,
) -> Result<Tree<'a>, NotJson> {
    scan_all(bytes, buffers, |scanner| scanner.value(levels))
}

/// Reads the rest of an object of which others read the first members: a comma, the last members and the closing brace.
/// These members alone are the tree.
pub(crate) fn scan_last_members<'a>(
    bytes: &'a [u8],
    levels: u32,
    buffers: &'a mut Buffers,
) -> Result<Tree<'a>, NotJson> {
    scan_all(bytes, buffers, |scanner| {
        scanner.take(b',')?;
        scanner.members(levels - 1)
    })
}

fn scan_all<'a>(
    bytes: &'a [u8],
    buffers: &'a mut Buffers,
    root: impl FnOnce(&mut Scanner<'a, '_>) -> Result<Value, NotJson>,
) -> Result<Tree<'a>, NotJson> {
    let source = std::str::from_utf8(bytes).map_err(|_| NotJson)?;
    if u32::try_from(source.len()).is_err() {
        return Err(NotJson);
    }
    buffers.elements.clear();
    buffers.members.clear();
    buffers.open_elements.clear();
    buffers.open_members.clear();
    let mut scanner = Scanner {
        bytes,
        at: 0,
        unescaped: 0,
        faulty: false,
        to: &mut *buffers,
    };
    let root = root(&mut scanner)?;
    if scanner.next() != 0 || scanner.at < bytes.len() {
        return Err(NotJson);
    }
    let (faulty, used) = (scanner.faulty, scanner.unescaped);
    let unescaped = std::str::from_utf8(&buffers.unescaped[..used]).map_err(|_| NotJson)?;
    Ok(Tree {
        source,
        unescaped,
        elements: &buffers.elements,
        members: &buffers.members,
        root,
        faulty,
    })
}

struct Scanner<'s, 'b> {
    bytes: &'s [u8],
    at: usize,
    /// How much of the room for unescaped text is used.
    unescaped: usize,
    faulty: bool,
    to: &'b mut Buffers,
}

impl Scanner<'_, '_> {
    /// The next byte that is not white space, without taking it; 0 at the end (and for a U+0000, which no caller
    /// accepts either).
    fn next(&mut self) -> u8 {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(&byte) => return byte,
                None => return 0,
            }
        }
    }

    fn take(&mut self, expected: u8) -> Result<(), NotJson> {
        if self.next() == expected {
            self.at += 1;
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    /// `levels`: how many more levels of nesting are allowed.
    fn value(&mut self, levels: u32) -> Result<Value, NotJson> {
        match self.next() {
            b'{' | b'[' if levels == 0 => self.too_deep(),
            b'{' => self.object(levels - 1),
            b'[' => self.array(levels - 1),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Result<Value, NotJson> {
        match self.next() {
            b'"' => self.text().map(Value::Text),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => Err(NotJson),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, NotJson> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(NotJson)
        }
    }

    fn object(&mut self, levels: u32) -> Result<Value, NotJson> {
        self.at += 1;
        if self.next() == b'}' {
            self.at += 1;
            let none = index(self.to.members.len());
            return Ok(Value::Object(none, none));
        }
        self.members(levels)
    }

    /// The members of an object, at least one, and its closing brace.
    fn members(&mut self, levels: u32) -> Result<Value, NotJson> {
        let open = self.to.open_members.len();
        loop {
            let (start, name) = self.name()?;
            let value = self.value(levels)?;
            self.to.open_members.push(Member { start, name, value });
            if self.more(b'}')? {
                break;
            }
        }
        let first = self.to.members.len();
        self.to
            .members
            .extend_from_slice(&self.to.open_members[open..]);
        self.to.open_members.truncate(open);
        let members = &mut self.to.members[first..];
        self.faulty |= sort(members, self.bytes, &self.to.unescaped);
        Ok(Value::Object(index(first), index(self.to.members.len())))
    }

    fn array(&mut self, levels: u32) -> Result<Value, NotJson> {
        self.at += 1;
        let open = self.to.open_elements.len();
        if self.next() == b']' {
            self.at += 1;
        } else {
            loop {
                let value = self.value(levels)?;
                self.to.open_elements.push(value);
                if self.more(b']')? {
                    break;
                }
            }
        }
        let first = self.to.elements.len();
        self.to
            .elements
            .extend_from_slice(&self.to.open_elements[open..]);
        self.to.open_elements.truncate(open);
        Ok(Value::Array(index(first), index(self.to.elements.len())))
    }

    /// Takes what stands behind a member or element: true when it closes its container.
    fn more(&mut self, close: u8) -> Result<bool, NotJson> {
        let byte = self.next();
        self.at += 1;
        match byte {
            b',' => Ok(false),
            _ if byte == close => Ok(true),
            _ => Err(NotJson),
        }
    }

    /// A member's name and its colon; where it sorts, and what it is.
    fn name(&mut self) -> Result<(u64, Text), NotJson> {
        if self.next() != b'"' {
            return Err(NotJson);
        }
        let name = self.text()?;
        let range = name.start as usize..name.end as usize;
        let text = if name.form == Form::Verbatim {
            &self.bytes[range]
        } else {
            let text = &self.to.unescaped[range];
            self.faulty |= text.contains(&0);
            text
        };
        let start = order_of_start(text);
        self.take(b':')?;
        Ok((start, name))
    }

    /// Walks over an object or array that is nested too deep: its syntax is checked, nothing is kept. One byte of
    /// memory for each open level.
    fn too_deep(&mut self) -> Result<Value, NotJson> {
        self.faulty = true;
        let mut closers = Vec::new();
        loop {
            // Here a value is due, or the end of what was just opened.
            let byte = self.next();
            let opened = match byte {
                b'{' => Some(b'}'),
                b'[' => Some(b']'),
                _ => None,
            };
            if let Some(closer) = opened {
                self.at += 1;
                if self.next() != closer {
                    closers.push(closer);
                    if closer == b'}' {
                        self.name()?;
                    }
                    continue;
                }
                self.at += 1;
            } else {
                self.scalar()?;
            }
            // Here a value has ended.
            loop {
                let Some(&closer) = closers.last() else {
                    return Ok(Value::TooDeep);
                };
                if self.more(closer)? {
                    closers.pop();
                } else {
                    if closer == b'}' {
                        self.name()?;
                    }
                    break;
                }
            }
        }
    }

    fn number(&mut self) -> Result<Value, NotJson> {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        if self.digits()? > 1 && leading_zero {
            return Err(NotJson);
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number(index(start), index(self.at)))
    }

    /// At least one digit; how many.
    fn digits(&mut self) -> Result<usize, NotJson> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        match self.at - start {
            0 => Err(NotJson),
            count => Ok(count),
        }
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("the source is below 4 GiB and everything read from it is smaller")
}
