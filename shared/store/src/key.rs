//! What a key may be: the same for both implementations, and never a way out of its place.

use crate::Error;

const MAX_BYTES: usize = 512;
const MAX_SEGMENT: usize = 200;

/// See [`crate::Store`].
pub(crate) fn check(key: &str) -> Result<(), Error> {
    if key.len() <= MAX_BYTES && key.split('/').all(is_segment) {
        return Ok(());
    }
    let shown = key.chars().take(100).collect();
    Err(Error::InvalidKey(shown))
}

pub(crate) fn is_segment(text: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= MAX_SEGMENT
        && text.starts_with(first)
        && text
            .chars()
            .all(|c| first(c) || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain_segments() {
        let long = ["a".repeat(200), "b".repeat(200), "c".repeat(110)].join("/");
        for good in ["a", "0/b-c/d_e.csv.gz", "a..b", &long] {
            assert!(check(good).is_ok(), "{good}");
        }
        let bad = [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", ".a", "a/.b", "-a",
            "_", "A", "a b", "a\\b", "ä", "a\0", "a%2e", "a\n", "a:b", "~",
        ];
        for bad in bad {
            assert!(matches!(check(bad), Err(Error::InvalidKey(_))), "{bad:?}");
        }
        assert!(check(&"a".repeat(201)).is_err());
        assert!(check(&(long + "/ddd")).is_err());
    }
}
