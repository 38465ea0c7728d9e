//! The header that names a download, RFC 6266.

use std::fmt::Write as _;

/// With a name in ASCII for all clients and, where that is not the whole name, the name in UTF-8.
pub(super) fn attachment(file_name: &str) -> String {
    let plain: String = file_name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    let mut text = format!("attachment; filename=\"{plain}\"");
    if plain != file_name {
        text.push_str("; filename*=UTF-8''");
        for byte in file_name.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
                text.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

/// What needs no quoting and names no folder.
fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '/' | '%')
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn names_are_quoted_and_never_break_the_header() {
        assert_eq!(attachment("a b.csv"), r#"attachment; filename="a b.csv""#);
        assert_eq!(
            attachment("ü\".csv\r\nx: y"),
            "attachment; filename=\"__.csv__x: y\"; filename*=UTF-8''%C3%BC%22.csv%0D%0Ax%3A%20y"
        );
    }
}
