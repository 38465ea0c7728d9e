//! Ranges of a download (RFC 9110 §14) and the conditions on them (§13). Whoever asks for several
//! ranges at once, or for a kind of range that is not known, gets the whole.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What of the file is given out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// 206
    Range(Range<u64>),
    /// 416
    Beyond,
    /// 304
    Unchanged,
}

pub(super) fn asked(headers: &HeaderMap, etag: &str, size: u64) -> Part {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    if let Some(known) = text(header::IF_NONE_MATCH) {
        let mut tags = known
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"));
        if tags.any(|tag| tag == etag || tag == "*") {
            return Part::Unchanged;
        }
    }
    // Of another file than the one that was begun: from the start.
    if text(header::IF_RANGE).is_some_and(|known| known != etag) {
        return Part::Whole;
    }
    let range = text(header::RANGE).and_then(|range| range.strip_prefix("bytes="));
    range
        .and_then(|range| part(range.trim(), size))
        .unwrap_or(Part::Whole)
}

/// `None` for what is not one range of bytes.
fn part(range: &str, size: u64) -> Option<Part> {
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let range = match (first, last) {
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    if range.start >= size || range.is_empty() {
        return Some(Part::Beyond);
    }
    Some(Part::Range(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        asked(&headers, "\"tag\"", 100)
    }

    #[test]
    fn one_range_of_bytes_is_known() {
        assert_eq!(of("bytes=0-"), Part::Range(0..100));
        assert_eq!(of("bytes=10-19"), Part::Range(10..20));
        assert_eq!(of("bytes=90-1000"), Part::Range(90..100));
        assert_eq!(of("bytes=-7"), Part::Range(93..100));
        assert_eq!(of("bytes=-700"), Part::Range(0..100));
        assert_eq!(of("bytes=99-99999999999999999999999"), Part::Range(99..100));
        assert_eq!(of("bytes=100-"), Part::Beyond);
        assert_eq!(of("bytes=-0"), Part::Beyond);
        for whole in [
            "bytes=5-2",
            "bytes=0-1,3-4",
            "bytes=a-",
            "lines=0-1",
            "bytes=-",
            "bytes=+1-2",
        ] {
            assert_eq!(of(whole), Part::Whole, "{whole}");
        }
    }

    #[test]
    fn a_range_of_another_file_is_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=5-".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"other\"".parse().unwrap());
        assert_eq!(asked(&headers, "\"tag\"", 100), Part::Whole);
        headers.insert(header::IF_RANGE, "\"tag\"".parse().unwrap());
        assert_eq!(asked(&headers, "\"tag\"", 100), Part::Range(5..100));
        headers.insert(header::IF_NONE_MATCH, "\"x\", W/\"tag\"".parse().unwrap());
        assert_eq!(asked(&headers, "\"tag\"", 100), Part::Unchanged);
    }
}
