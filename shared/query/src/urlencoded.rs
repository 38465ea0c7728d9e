//! Strict reading of `application/x-www-form-urlencoded` queries (WHATWG URL §5.1, except that
//! what it would replace silently is refused). It never guesses: a bad escape is a fault.

use crate::{Fault, MAX_CONDITIONS};

/// The longest query that is read, in bytes; a cursor takes most of it.
const MAX_BYTES: usize = 16 * 1024;
/// Parameters of one query: a whole filter, and beside it a cursor and whatever else a route takes.
const MAX_PAIRS: usize = MAX_CONDITIONS + 16;

/// Name and value of each parameter of a URL's query (without its `?`), in their order; names may
/// come twice.
///
/// # Errors
/// Too long, too many, or not percent-encoded UTF-8.
pub fn pairs(raw: &str) -> Result<Vec<(String, String)>, Fault> {
    let whole = |message| Fault {
        path: "query".to_owned(),
        message,
    };
    if raw.len() > MAX_BYTES {
        return Err(whole("longer than 16 KiB"));
    }
    let mut pairs = Vec::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MAX_PAIRS {
            return Err(whole("more than 80 parameters"));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name =
            decode(name).ok_or_else(|| whole("a parameter name is not percent-encoded UTF-8"))?;
        let value =
            decode(value).ok_or_else(|| Fault::new(&shown(&name), "not percent-encoded UTF-8"))?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// A parameter's name as an error may repeat it: short and printable.
pub(crate) fn shown(name: &str) -> String {
    name.chars()
        .filter(|char| !char.is_control())
        .take(80)
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_browsers_and_curl_send() {
        assert_eq!(
            pairs("a=1&b=x%20y+z&c&label.x=%C3%A9%26").unwrap(),
            [("a", "1"), ("b", "x y z"), ("c", ""), ("label.x", "é&")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(pairs("").unwrap(), []);
    }

    #[test]
    fn refuses_what_others_replace_silently() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%ED%A0%80", "a=%+1"] {
            assert_eq!(pairs(bad).unwrap_err().path, "query.a", "{bad}");
        }
        assert_eq!(pairs("%ff=1").unwrap_err().path, "query");
        assert_eq!(pairs(&"a".repeat(MAX_BYTES + 1)).unwrap_err().path, "query");
        assert_eq!(
            pairs(&"a=1&".repeat(MAX_PAIRS + 1)).unwrap_err().path,
            "query"
        );
    }
}
