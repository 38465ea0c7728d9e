//! Where the strings of a text end: searched for, or known from whoever wrote the text. Never looks at what stands
//! between them.

use crate::json::text::{end_of_string, plain_until};

/// Finds the ends of the strings of one text, asked for one after the other in the order of the text.
pub(crate) trait Strings {
    /// Index behind the closing quote of the string that begins at `start`.
    fn end(&mut self, text: &[u8], start: usize) -> Option<usize>;

    /// The same for a string without escapes; `None` when it has any.
    fn plain_end(&mut self, text: &[u8], start: usize) -> Option<usize>;
}

/// Nothing is known.
pub(crate) struct Searched;

impl Strings for Searched {
    #[inline]
    fn end(&mut self, text: &[u8], start: usize) -> Option<usize> {
        end_of_string(text, start)
    }

    #[inline]
    fn plain_end(&mut self, text: &[u8], start: usize) -> Option<usize> {
        let end = plain_until(text, start + 1);
        (text.get(end) == Some(&b'"')).then_some(end + 1)
    }
}

/// Every quote and backslash of a text without control characters is known, in order: each of them was escaped in what
/// the text was unescaped from.
pub(crate) struct Marked<'m>(std::slice::Iter<'m, usize>);

impl<'m> Marked<'m> {
    pub(crate) fn new(places: &'m [usize]) -> Self {
        Self(places.iter())
    }

    /// Where the next of them stands.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        self.0.next().copied()
    }
}

impl Strings for Marked<'_> {
    #[inline]
    fn end(&mut self, text: &[u8], start: usize) -> Option<usize> {
        let first = self.next()?;
        debug_assert_eq!(first, start, "each string is asked for");
        loop {
            let at = self.next()?;
            if text[at] == b'"' {
                return Some(at + 1);
            }
            // A backslash. What it escapes may be one of them too, and then it neither ends the string nor escapes.
            if matches!(text.get(at + 1), Some(b'"' | b'\\')) {
                self.next();
            }
        }
    }

    #[inline]
    fn plain_end(&mut self, text: &[u8], start: usize) -> Option<usize> {
        let first = self.next()?;
        debug_assert_eq!(first, start, "each string is asked for");
        let at = self.next()?;
        (text[at] == b'"').then_some(at + 1)
    }
}
