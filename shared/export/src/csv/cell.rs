//! Cells that no spreadsheet takes for a formula, by a rule that can be taken back.
//!
//! Where `=`, `+`, `-`, `@`, one of their full-width forms or an apostrophe stands at the beginning of a
//! cell, or behind a `;`, a `|`, a tab or a line break in it, it gets an apostrophe in front, also where
//! quotation marks stand in between; and so does a cell that begins with a tab or a line break. To read
//! the original, take one apostrophe off at each of these places.
//!
//! The places inside are for spreadsheets that take something other than a comma to separate cells, as
//! many languages' do: to them a quotation mark in the middle of a cell is a letter, and what follows
//! such a character is a cell of its own, or a row.

/// The cell as it is written; `buffer` holds it where it had to be changed.
pub(super) fn escaped<'a>(text: &'a str, buffer: &'a mut String) -> &'a str {
    let inside = text.contains(is_separator);
    if !inside && !text.trim_start_matches('"').starts_with(is_risky) {
        return text;
    }
    buffer.clear();
    if text.starts_with(['\t', '\r', '\n']) {
        buffer.push('\'');
    }
    let mut begins = true;
    for c in text.chars() {
        if begins && is_risky(c) {
            buffer.push('\'');
        }
        buffer.push(c);
        begins = is_separator(c) || (begins && c == '"');
    }
    buffer
}

/// Between cells or rows, for some spreadsheet. A comma needs nothing: there the quotes hold.
fn is_separator(c: char) -> bool {
    matches!(c, ';' | '|' | '\t' | '\r' | '\n')
}

/// Full-width forms are formulas in some languages' spreadsheets.
fn is_risky(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\'' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn original(cell: &str) -> String {
        let (mut text, mut begins) = (String::new(), true);
        for c in cell.chars() {
            if begins && c == '\'' {
                begins = false;
                continue;
            }
            text.push(c);
            begins = is_separator(c) || (begins && c == '"');
        }
        text
    }

    #[test]
    fn formulas_become_text() {
        for (text, cell) in [
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("\n=1", "'\n'=1"),
            ("＝1", "'＝1"),
            ("'quoted'", "''quoted'"),
            ("x;=HYPERLINK(\"x\");", "x;'=HYPERLINK(\"x\");"),
            ("x;\"=1;\"", "x;\"'=1;\""),
            ("\"=1", "\"'=1"),
            ("x|-1", "x|'-1"),
            ("a list:\r\n- one\t+1", "a list:\r\n'- one\t'+1"),
            ("a;b|c\td\r\ne", "a;b|c\td\r\ne"),
            ("a=1, -1", "a=1, -1"),
            ("", ""),
        ] {
            assert_eq!(escaped(text, &mut String::new()), cell);
            assert_eq!(original(cell), text);
        }
    }

    proptest! {
        #[test]
        fn every_text_can_be_read_back(text in "[-=+@'\";|\t\r\n＝a]{0,12}\\PC{0,5}") {
            let mut buffer = String::new();
            let cell = escaped(&text, &mut buffer);
            prop_assert_eq!(original(cell), text.as_str());
            prop_assert!(!cell.starts_with(['\t', '\r', '\n']));
            for piece in cell.split(is_separator) {
                let piece = piece.trim_start_matches('"');
                prop_assert!(!piece.starts_with(['=', '+', '-', '@', '＝']));
            }
        }
    }
}
