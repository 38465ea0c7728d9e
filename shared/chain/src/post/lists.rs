//! The lists of a post and its labels. Never more elements than the format allows.

use super::{Attachment, Change, OnBehalfOf, Reader, Target, rules};
use crate::json::{Path, Value};

const ON_BEHALF_OF: [&str; 4] = ["email", "id", "name", "type"];
const TARGET: [&str; 4] = ["id", "metadata", "name", "type"];
const ATTACHMENT: [&str; 5] = ["location", "media_type", "name", "sha256", "size"];
const CHANGE: [&str; 3] = ["field", "new", "old"];

const LARGEST_INTEGER: u64 = (1 << 53) - 1;

impl<'a> Reader<'_, 'a> {
    pub(super) fn on_behalf_of(
        &mut self,
        value: Option<Value>,
        at: &Path<'_>,
    ) -> Vec<OnBehalfOf<'a>> {
        self.each(value, 8, at, |reader, object, at| {
            let [email, id, name, kind] = reader.members(object, &ON_BEHALF_OF, at);
            let to = |name| Path::Name(at, name);
            let kind = reader.actor_type(kind, &to("type"));
            let id = reader.kept(id, 256, &to("id"));
            OnBehalfOf {
                kind: reader.required(kind, &to("type")),
                id: reader.required(id, &to("id")),
                name: reader.text(name, &to("name")),
                email: reader.text(email, &to("email")),
            }
        })
    }

    pub(super) fn targets(&mut self, value: Option<Value>, at: &Path<'_>) -> Vec<Target<'a>> {
        self.each(value, 32, at, |reader, object, at| {
            let [id, metadata, name, kind] = reader.members(object, &TARGET, at);
            let to = |name| Path::Name(at, name);
            let kind = reader.kept(kind, 64, &to("type"));
            let id = reader.kept(id, 256, &to("id"));
            Target {
                kind: reader.required(kind, &to("type")),
                id: reader.required(id, &to("id")),
                name: reader.text(name, &to("name")),
                metadata: reader.data(metadata, &to("metadata")),
            }
        })
    }

    pub(super) fn attachments(
        &mut self,
        value: Option<Value>,
        at: &Path<'_>,
    ) -> Vec<Attachment<'a>> {
        self.each(value, 32, at, |reader, object, at| {
            let [location, media_type, name, sha256, size] =
                reader.members(object, &ATTACHMENT, at);
            let to = |name| Path::Name(at, name);
            let sha256 = reader.matching(
                sha256,
                rules::is_sha256,
                &to("sha256"),
                "must be 64 hexadecimal digits",
            );
            Attachment {
                media_type: reader.kept(media_type, 128, &to("media_type")),
                size: reader.integer(
                    size,
                    0..=LARGEST_INTEGER,
                    &to("size"),
                    "must be an integer from 0 to 2^53 - 1",
                ),
                sha256: reader.required(sha256, &to("sha256")),
                name: reader.text(name, &to("name")),
                location: reader.text(location, &to("location")),
            }
        })
    }

    pub(super) fn changes(&mut self, value: Option<Value>, at: &Path<'_>) -> Vec<Change<'a>> {
        self.each(value, 100, at, |reader, object, at| {
            let [field, new, old] = reader.members(object, &CHANGE, at);
            let at = Path::Name(at, "field");
            let field = reader.text(field, &at);
            if field.is_some_and(|field| !rules::is_at_most(field, 256)) {
                reader.faults.push(&at, rules::too_long(256));
            }
            Change {
                field: reader.required(field, &at),
                old,
                new,
            }
        })
    }

    /// Labels that are there, in canonical order of their names.
    pub(super) fn labels(
        &mut self,
        value: Option<Value>,
        at: &Path<'_>,
    ) -> Vec<(&'a str, &'a str)> {
        let Some((first, end)) = self.object(value, at) else {
            return Vec::new();
        };
        let members = self.tree.members(first, end);
        let mut labels = Vec::new();
        let mut count = 0;
        for (index, member) in members.iter().enumerate() {
            let Some(name) = self.name(members, index) else {
                continue;
            };
            let at = Path::Name(at, name);
            if !rules::is_label(name) {
                self.faults
                    .push(&at, "must have a name that matches [a-z0-9_.-]{1,63}");
            }
            if let Some(text) = self.kept(Some(member.value), 256, &at) {
                count += 1;
                if count <= 32 {
                    labels.push((name, text));
                }
            }
        }
        if count > 32 {
            self.faults.push(at, rules::too_many(32));
        }
        labels
    }

    fn each<T>(
        &mut self,
        value: Option<Value>,
        most: usize,
        at: &Path<'_>,
        read: impl Fn(&mut Self, (u32, u32), &Path<'_>) -> T,
    ) -> Vec<T> {
        let elements = self.list(value, most, at);
        let mut all = Vec::with_capacity(elements.len());
        for (index, &element) in elements.iter().enumerate() {
            let at = Path::Index(at, index);
            if let Some(object) = self.element(element, &at) {
                all.push(read(self, object, &at));
            }
        }
        all
    }
}
