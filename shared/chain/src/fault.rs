//! What is wrong with a post, and where. Never says what to do about it.

use std::borrow::Cow;

/// One place of a post that the format refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) of the place, `""` for the whole document.
    pub pointer: String,
    /// What is wrong there: lower-case, without a full stop, never quoting what was posted.
    pub message: Cow<'static, str>,
}

impl Fault {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}
