//! The form of an index: which fields it has, and which words. An index of another form is not searched, and not written
//! to; programs of both forms may run at once, each with its own indices and cursors.

/// Counted up when the mapping of OpenSearch, the schema of the embedded index or the words that `query` makes change.
/// An index of the new form is filled from the beginning, by itself.
pub const FORM: u32 = 2;
/// The follower whose cursor says what the index of [`FORM`] has acknowledged.
pub const WRITTEN: &str = "index.written.2";
/// The follower whose cursor says what a search of it finds.
pub const VISIBLE: &str = "index.visible.2";

/// As [`WRITTEN`], of any form.
pub fn written(form: u32) -> String {
    of("index.written", form)
}

/// As [`VISIBLE`], of any form.
pub fn visible(form: u32) -> String {
    of("index.visible", form)
}

/// The first form has no number in its names.
fn of(follower: &str, form: u32) -> String {
    match form {
        1 => follower.to_owned(),
        _ => format!("{follower}.{form}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_form() {
        assert_eq!((WRITTEN, VISIBLE), (&*written(FORM), &*visible(FORM)));
        assert_eq!(written(1), "index.written");
        assert_ne!(visible(2), visible(3));
    }
}
