//! An entry's `metadata`, value by value: each string, number, `true` and `false` has a path, the names of the
//! members that lead to it with dots between. Elements of an array have the array's path. It never looks at a
//! `null`, and tells `{"a.b": 1}` from `{"a": {"b": 1}}` no more than a flattened field of an index does.

use std::ops::ControlFlow;

use crate::{Unreadable, leaves};

/// Characters of a path, and of a value, that can be asked for.
const MAX_PATH: usize = 256;
pub(crate) const MAX_VALUE: usize = 256;
/// Bytes of paths and values of one entry that are looked at, in the order of its canonical text, and what each
/// counts for beside its own: since each value has the whole path, and an index something for each, an entry
/// could make many times its own size of them.
const MAX_BYTES: usize = 64 << 10;
const EACH: usize = 32;

/// Whether a value at this path can be asked for. An index of flattened fields has `=` between path and value,
/// so no path has one in it.
pub(crate) fn is_path(path: &str) -> bool {
    has_room(path, MAX_PATH) && !path.contains(['=', '\0'])
}

/// From 1 to `max` characters.
fn has_room(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.chars().take(max + 1).count())
}

/// Calls `value` with the path and the text of every value that can be asked for, until it has enough. Numbers
/// are in decimals.
pub(crate) fn values(
    metadata: &str,
    mut value: impl FnMut(&str, &str) -> ControlFlow<()>,
) -> Result<(), Unreadable> {
    let mut bytes = 0;
    leaves::by_path(metadata, &mut |path, text| {
        if !is_path(path) || !has_room(text, MAX_VALUE) {
            return ControlFlow::Continue(());
        }
        bytes += path.len() + text.len() + EACH;
        if bytes > MAX_BYTES {
            return ControlFlow::Break(());
        }
        value(path, text)
    })
}

/// Whether each of these values stands at its path.
pub(crate) fn has_all<'a>(
    metadata: &str,
    asked: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<bool, Unreadable> {
    let mut missing: Vec<_> = asked.collect();
    values(metadata, |path, text| {
        missing.retain(|asked| *asked != (path, text));
        if missing.is_empty() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(missing.is_empty())
}
