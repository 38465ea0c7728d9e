//! Strict JSON (RFC 8259) as a flat tree over the posted bytes, and its canonical text (RFC 8785).
//!
//! Never knows which members an entry has, never keeps what it reads beyond the tree, never uses more stack than the
//! nesting limit it is given.

mod bits;
pub(crate) mod escapes;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod scan;
pub(crate) mod text;
mod write;

use text::order;

/// A string of the tree.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    start: u32,
    end: u32,
    form: Form,
}

impl Text {
    /// Whether a lone surrogate stood in it, so that it is no text at all.
    pub(crate) fn is_broken(self) -> bool {
        self.form == Form::Broken
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The bytes between the quotes are the string itself, and canonical as they are.
    Verbatim,
    /// It had escapes; the string is in [`Tree::unescaped`].
    Unescaped,
    /// Like `Unescaped`, with U+FFFD in place of a lone surrogate.
    Broken,
}

#[derive(Clone, Copy)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Source range of its characters.
    Number(u32, u32),
    Text(Text),
    /// Range in [`Tree::elements`].
    Array(u32, u32),
    /// Range in [`Tree::members`].
    Object(u32, u32),
    /// An object or array below the nesting limit; only its syntax was looked at.
    TooDeep,
}

#[derive(Clone, Copy)]
pub(crate) struct Member {
    /// Decides the order of most names without looking at them.
    start: u64,
    pub(crate) name: Text,
    pub(crate) value: Value,
}

/// Room for a tree, reused from one text to the next.
#[derive(Default)]
pub(crate) struct Buffers {
    /// Longer than what is used of it, and never shortened.
    unescaped: Vec<u8>,
    elements: Vec<Value>,
    members: Vec<Member>,
    open_elements: Vec<Value>,
    open_members: Vec<Member>,
}

/// One JSON text. Members of an object stand in the order of RFC 8785, those of one name beside each other.
pub(crate) struct Tree<'a> {
    source: &'a str,
    unescaped: &'a str,
    elements: &'a [Value],
    members: &'a [Member],
    pub(crate) root: Value,
    /// Whether anything in it is a fault wherever it stands; [`Tree::faults`] says what.
    pub(crate) faulty: bool,
}

impl<'a> Tree<'a> {
    pub(crate) fn text(&self, text: Text) -> &'a str {
        let within = match text.form {
            Form::Verbatim => self.source,
            Form::Unescaped | Form::Broken => self.unescaped,
        };
        &within[text.start as usize..text.end as usize]
    }

    /// The characters of a number.
    pub(crate) fn number(&self, start: u32, end: u32) -> &'a str {
        &self.source[start as usize..end as usize]
    }

    pub(crate) fn elements(&self, first: u32, end: u32) -> &'a [Value] {
        &self.elements[first as usize..end as usize]
    }

    pub(crate) fn members(&self, first: u32, end: u32) -> &'a [Member] {
        &self.members[first as usize..end as usize]
    }

    /// Whether the member at `index` of `members` shares its name with a neighbour.
    pub(crate) fn is_duplicate(&self, members: &[Member], index: usize) -> bool {
        let same = |a: &Member, b: &Member| {
            !a.name.is_broken() && !b.name.is_broken() && self.text(a.name) == self.text(b.name)
        };
        (index > 0 && same(&members[index - 1], &members[index]))
            || (index + 1 < members.len() && same(&members[index], &members[index + 1]))
    }

    /// Calls `found` for every place below `value` that is a fault whatever it means: duplicate names, lone surrogates,
    /// U+0000 in names, too much nesting.
    pub(crate) fn faults(
        &self,
        value: Value,
        at: &Path<'_>,
        found: &mut dyn FnMut(&Path<'_>, &'static str),
    ) {
        match value {
            Value::Text(text) if text.is_broken() => {
                found(at, "must not contain a lone surrogate");
            }
            Value::TooDeep => found(at, "nested deeper than 32 levels"),
            Value::Array(first, end) => {
                for (index, &element) in self.elements(first, end).iter().enumerate() {
                    self.faults(element, &Path::Index(at, index), found);
                }
            }
            Value::Object(first, end) => {
                self.faults_of_members(self.members(first, end), at, found);
            }
            _ => {}
        }
    }

    fn faults_of_members(
        &self,
        members: &[Member],
        at: &Path<'_>,
        found: &mut dyn FnMut(&Path<'_>, &'static str),
    ) {
        if members.iter().any(|member| member.name.is_broken()) {
            found(at, "must not have a member name with a lone surrogate");
        }
        for (index, member) in members.iter().enumerate() {
            // What is inside a member without a proper name has no place that could be named.
            if member.name.is_broken() {
                continue;
            }
            let name = self.text(member.name);
            let at = Path::Name(at, name);
            if self.is_duplicate(members, index) {
                if index == 0 || self.text(members[index - 1].name) != name {
                    found(&at, "duplicate member name");
                }
            } else if member.name.form == Form::Unescaped && name.contains('\0') {
                found(&at, "must not have U+0000 in its name");
            } else {
                self.faults(member.value, &at, found);
            }
        }
    }
}

/// Sorts members as RFC 8785 §3.2.3 does; true when a name occurs twice.
fn sort(members: &mut [Member], source: &[u8], unescaped: &[u8]) -> bool {
    let text = |text: Text| {
        let within = if text.form == Form::Verbatim {
            source
        } else {
            unescaped
        };
        &within[text.start as usize..text.end as usize]
    };
    let broken = |member: &Member| member.name.is_broken();
    members.sort_unstable_by(|a, b| {
        a.start
            .cmp(&b.start)
            .then_with(|| order(text(a.name), text(b.name)))
            .then_with(|| broken(a).cmp(&broken(b)))
    });
    members
        .windows(2)
        .any(|pair| pair[0].start == pair[1].start && text(pair[0].name) == text(pair[1].name))
}

/// A place in a JSON text; becomes a JSON Pointer only when there is something to say about it.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Name(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// RFC 6901.
    pub(crate) fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Name(parent, name) => {
                let mut pointer = parent.pointer();
                pointer.push('/');
                for character in name.chars() {
                    match character {
                        '~' => pointer.push_str("~0"),
                        '/' => pointer.push_str("~1"),
                        other => pointer.push(other),
                    }
                }
                pointer
            }
            Self::Index(parent, index) => {
                let mut pointer = parent.pointer();
                pointer.push('/');
                pointer.push_str(itoa::Buffer::new().format(*index));
                pointer
            }
        }
    }
}
