//! The members of a canonical object, one after the other. Never keeps one.

use super::strings::Searched;
use super::{Cursor, Malformed, Name};

/// A member of a canonical object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    /// Both, as they stand in the object.
    pub(crate) text: &'a str,
}

/// Cuts an object as it is asked for its members. After an error nothing comes any more; whoever stops before the end
/// does not know whether one would have come.
pub(crate) struct Members<'a> {
    cursor: Cursor<'a, Searched>,
    last: Option<Name>,
    ended: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self {
            cursor: Cursor::new(text, Searched),
            last: None,
            ended: false,
        }
    }

    fn step(&mut self) -> Result<Option<Member<'a>>, Malformed> {
        if !self.enter()? {
            self.ended = true;
            return self.cursor.end().map(|()| None);
        }
        let cursor = &mut self.cursor;
        let start = cursor.at;
        let name = cursor.name(&mut self.last)?;
        let value = cursor.value()?;
        Ok(Some(Member {
            name: cursor.text_of(name),
            value,
            text: &cursor.text[start..cursor.at],
        }))
    }

    /// Takes what stands before the next member, or behind the last; whether there is a next one.
    fn enter(&mut self) -> Result<bool, Malformed> {
        let cursor = &mut self.cursor;
        let first = self.last.is_none();
        if first {
            cursor.take(b'{')?;
        }
        if cursor.next() == b'}' {
            cursor.take(b'}')?;
            return Ok(false);
        }
        if !first {
            cursor.take(b',')?;
        }
        Ok(true)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let member = self.step();
        self.ended |= member.is_err();
        member.transpose()
    }
}
