//! Cells that no spreadsheet takes for a formula, by a rule that can be taken back.
//!
//! A cell that begins with `=`, `+`, `-`, `@`, a tab, a line break, one of their full-width forms or
//! an apostrophe gets an apostrophe in front. To read the original, take one leading apostrophe off.

/// The cell as it is written; `buffer` holds it where it had to be changed.
pub(super) fn escaped<'a>(text: &'a str, buffer: &'a mut String) -> &'a str {
    if !text.starts_with(is_risky) {
        return text;
    }
    buffer.clear();
    buffer.push('\'');
    buffer.push_str(text);
    buffer
}

/// Full-width forms are formulas in some languages' spreadsheets.
fn is_risky(first: char) -> bool {
    matches!(
        first,
        '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\'' | '＝' | '＋' | '－' | '＠'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn original(cell: &str) -> &str {
        cell.strip_prefix('\'').unwrap_or(cell)
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
            ("\n=1", "'\n=1"),
            ("＝1", "'＝1"),
            ("'quoted'", "''quoted'"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(escaped(text, &mut String::new()), cell);
        }
    }

    proptest! {
        #[test]
        fn every_text_can_be_read_back(text in "[-=+@'\t\r\n＝]{0,3}\\PC{0,5}") {
            let mut buffer = String::new();
            let cell = escaped(&text, &mut buffer);
            prop_assert_eq!(original(cell), text.as_str());
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝']));
        }
    }
}
