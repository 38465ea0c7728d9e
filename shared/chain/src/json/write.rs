//! Canonical text of a tree. Never sorts: the tree is in order already. Never writes much more than it was told to.

use super::{Form, Text, Tree, Value, number, text};

impl Tree<'_> {
    /// Appends the canonical text of `value`. Only for trees without faults. Once `out` is longer than `enough` the rest
    /// is left out: the caller refuses a text of that length.
    pub(crate) fn push(&self, out: &mut String, value: Value, enough: usize) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(true) => out.push_str("true"),
            Value::Bool(false) => out.push_str("false"),
            Value::Number(start, end) => number::push(out, self.number(start, end)),
            Value::Text(text) => self.push_text(out, text),
            Value::Array(first, end) => {
                out.push('[');
                for (index, &element) in self.elements(first, end).iter().enumerate() {
                    if out.len() > enough {
                        return;
                    }
                    if index > 0 {
                        out.push(',');
                    }
                    self.push(out, element, enough);
                }
                out.push(']');
            }
            Value::Object(first, end) => {
                out.push('{');
                for (index, member) in self.members(first, end).iter().enumerate() {
                    if out.len() > enough {
                        return;
                    }
                    if index > 0 {
                        out.push(',');
                    }
                    self.push_text(out, member.name);
                    out.push(':');
                    self.push(out, member.value, enough);
                }
                out.push('}');
            }
            Value::TooDeep => debug_assert!(false, "written in spite of a fault"),
        }
    }

    pub(crate) fn push_text(&self, out: &mut String, string: Text) {
        if string.form == Form::Verbatim {
            out.push('"');
            out.push_str(self.text(string));
            out.push('"');
        } else {
            text::push(out, self.text(string));
        }
    }
}
