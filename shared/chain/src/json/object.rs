//! Writing an object member by member. Never sorts: the caller names the members in canonical order.

use super::text;

/// An object being written. Members and brackets only; values go to [`Object::member`]'s result.
pub(crate) struct Object<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> Object<'o> {
    pub(crate) fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// The rest of an object, of which `out` may have more than one member, or be what follows them.
    pub(crate) fn go_on(out: &'o mut String) -> Self {
        Self { out, first: false }
    }

    /// Starts the next member; its value is to be appended to what this returns. `name` needs no escapes.
    pub(crate) fn member(&mut self, name: &str) -> &mut String {
        self.start();
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out
    }

    fn start(&mut self) {
        self.out.push_str(if self.first { "\"" } else { ",\"" });
        self.first = false;
    }

    /// Like [`Object::member`], for the name `list/index`.
    pub(crate) fn element_member(&mut self, list: &str, index: usize) -> &mut String {
        self.start();
        self.out.push_str(list);
        self.out.push('/');
        self.out.push_str(itoa::Buffer::new().format(index));
        self.out.push_str("\":");
        self.out
    }

    /// Appends a member as it stands in another object.
    pub(crate) fn copy(&mut self, member: &str) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self.out.push_str(member);
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        text::push(self.member(name), value);
    }

    pub(crate) fn text_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(crate) fn integer(&mut self, name: &str, value: u64) {
        self.member(name)
            .push_str(itoa::Buffer::new().format(value));
    }

    pub(crate) fn close(self) {
        self.out.push('}');
    }
}

/// Appends an array, each element written by `push`.
pub(crate) fn push_array<T>(
    out: &mut String,
    elements: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, element);
    }
    out.push(']');
}
