//! An entry's `metadata`, value by value: each string, number, `true` and `false` has a path, the names of the
//! members that lead to it with dots between. Elements of an array have the array's path. It never looks at a
//! `null`, and tells `{"a.b": 1}` from `{"a": {"b": 1}}` no more than a flattened field of an index does.

use std::ops::ControlFlow;

use crate::{Unreadable, leaves};

/// Characters of a path, and of a value, that can be asked for.
const MAX_PATH: usize = 256;
pub(crate) const MAX_VALUE: usize = 256;

/// Whether a value at this path can be asked for. An index of flattened fields has `=` between path and value,
/// so no path has one in it.
pub(crate) fn is_path(path: &str) -> bool {
    (1..=MAX_PATH).contains(&path.chars().take(MAX_PATH + 1).count()) && !path.contains(['=', '\0'])
}

/// Calls `each` with the path and the text of every value that can be asked for. Numbers are in decimals.
pub(crate) fn each(metadata: &str, mut each: impl FnMut(&str, &str)) -> Result<(), Unreadable> {
    leaves::by_path(metadata, &mut |path, text| {
        if is_path(path) && (1..=MAX_VALUE).contains(&text.chars().take(MAX_VALUE + 1).count()) {
            each(path, text);
        }
        ControlFlow::Continue(())
    })
}

/// Whether one of the values at this path is this one.
pub(crate) fn has(metadata: &str, path: &str, value: &str) -> Result<bool, Unreadable> {
    let mut found = false;
    leaves::by_path(metadata, &mut |at, text| {
        found = at == path && text == value;
        if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(found)
}
