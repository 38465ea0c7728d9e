//! Strings on the way into a tree: where they end, and what those with escapes say. Never decides what a string may say.

use super::{NotJson, Scanner, index};
use crate::json::text::{CHUNK, plain, plain_until};
use crate::json::{Form, Text};

impl Scanner<'_, '_> {
    /// The string that begins here, its quote not taken yet.
    pub(super) fn text(&mut self) -> Result<Text, NotJson> {
        let start = self.at + 1;
        let end = plain_until(self.bytes, start);
        self.at = end;
        match self.bytes.get(end) {
            Some(b'"') => {
                self.at += 1;
                Ok(Text {
                    start: index(start),
                    end: index(end),
                    form: Form::Verbatim,
                })
            }
            Some(b'\\') => self.escaped(start),
            _ => Err(NotJson),
        }
    }

    /// The rest of a string whose first escape stands at `self.at`.
    fn escaped(&mut self, start: usize) -> Result<Text, NotJson> {
        let first = self.unescaped;
        self.copy_verbatim(start);
        let mut broken = false;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 1,
                _ => return Err(NotJson),
            }
            let escape = *self.bytes.get(self.at).ok_or(NotJson)?;
            self.at += 1;
            let character = match escape {
                b'"' | b'\\' | b'/' => char::from(escape),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.code_point()?.unwrap_or_else(|| {
                    broken = true;
                    char::REPLACEMENT_CHARACTER
                }),
                _ => return Err(NotJson),
            };
            let to = &mut self.to.unescaped[self.unescaped..];
            self.unescaped += character.encode_utf8(to).len();
            self.copy_plain();
        }
        self.at += 1;
        self.faulty |= broken;
        Ok(Text {
            start: index(first),
            end: index(self.unescaped),
            form: if broken {
                Form::Broken
            } else {
                Form::Unescaped
            },
        })
    }

    /// Copies what stands between `start` and here.
    fn copy_verbatim(&mut self, start: usize) {
        // Unescaping never lengthens, so this is room for all that follows too; and for the last chunk.
        let room = self.bytes.len() + CHUNK;
        if self.to.unescaped.len() < room {
            self.to.unescaped.resize(room, 0);
        }
        self.copy_rest(start);
    }

    /// Copies up to the next byte that is neither a plain character nor one of the two escapes that evidence is full
    /// of. Copies whole chunks and steps back, since runs between escapes are short.
    fn copy_plain(&mut self) {
        let (mut at, mut end) = (self.at, self.unescaped);
        let to = &mut self.to.unescaped;
        while let (Some(&chunk), Some(room)) = (
            self.bytes.get(at..).and_then(<[u8]>::first_chunk::<CHUNK>),
            to.get_mut(end..).and_then(<[u8]>::first_chunk_mut::<CHUNK>),
        ) {
            *room = chunk;
            let count = plain(chunk);
            at += count;
            end += count;
            if count < CHUNK {
                let Some(b"\\\"" | b"\\\\") = self.bytes.get(at..at + 2) else {
                    (self.at, self.unescaped) = (at, end);
                    return;
                };
                to[end] = self.bytes[at + 1];
                at += 2;
                end += 1;
            }
        }
        (self.at, self.unescaped) = (plain_until(self.bytes, at), end);
        self.copy_rest(at);
    }

    fn copy_rest(&mut self, start: usize) {
        let run = &self.bytes[start..self.at];
        self.to.unescaped[self.unescaped..][..run.len()].copy_from_slice(run);
        self.unescaped += run.len();
    }

    /// What `\u` and one or two units say; `None` for a lone surrogate.
    fn code_point(&mut self) -> Result<Option<char>, NotJson> {
        let unit = self.unit()?;
        if (0xd800..0xdc00).contains(&unit) && self.bytes[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let low = self.unit()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code));
            }
            self.at = before;
        }
        Ok(char::from_u32(unit))
    }

    fn unit(&mut self) -> Result<u32, NotJson> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(NotJson)?;
        let mut unit = 0;
        for &digit in digits {
            unit = unit << 4 | char::from(digit).to_digit(16).ok_or(NotJson)?;
        }
        self.at += 4;
        Ok(unit)
    }
}
