//! The entries that are posted: about 700 bytes each, like those of an accounting backend, all
//! different. A request is rendered once and patched in place, which costs next to nothing.

use uuid::Uuid;

/// Where the id of an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    /// The service makes it.
    Server,
    /// The poster's, version 7.
    V7,
    /// The poster's, version 4.
    V4,
}

impl Ids {
    fn new_id(self) -> Uuid {
        if self == Self::V4 {
            Uuid::new_v4()
        } else {
            Uuid::now_v7()
        }
    }
}

/// Digits of the number that makes each entry another.
const NUMBER: &str = "00000000";

/// Partitions that [`Into::Many`] chooses from.
pub(crate) const PARTITIONS: u32 = 10_000;

/// The name of one of the [`PARTITIONS`].
pub(crate) fn partition(number: u32) -> String {
    format!("p{number:05}")
}

/// Where the entries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Into {
    /// One partition.
    One(String),
    /// Each to any of the [`PARTITIONS`].
    Many,
}

/// An entry as posted, with zeros where it is patched.
fn entry(ids: Ids, into: &Into) -> String {
    let id = match ids {
        Ids::Server => String::new(),
        Ids::V7 | Ids::V4 => format!(r#""id":"{}","#, Uuid::nil()),
    };
    let name = match into {
        Into::One(name) => name.clone(),
        Into::Many => partition(0),
    };
    format!(
        concat!(
            r#"{{{id}"partition":"{name}","action":"invoice.approved","activity":"update","#,
            r#""actor":{{"type":"user","id":"u-4711","name":"Ada Example","#,
            r#""email":"ada@example.com"}},"#,
            r#""targets":[{{"type":"invoice","id":"inv-{NUMBER}","name":"Invoice of March"}}],"#,
            r#""occurred_at":"2026-01-15T10:30:00.123456Z","outcome":{{"status":"success"}},"#,
            r#""changes":[{{"field":"status","old":"draft","new":"approved"}}],"#,
            r#""context":{{"ip":"192.0.2.17","user_agent":"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0","#,
            r#""request_id":"req-{NUMBER}"}},"correlation_id":"order-{NUMBER}","#,
            r#""labels":{{"region":"eu-central-1","service":"billing"}},"#,
            r#""metadata":{{"amount":"129.90","currency":"EUR","note":"approved in the monthly run"}}}}"#,
        ),
        id = id,
        name = name,
        NUMBER = NUMBER,
    )
}

/// A rendered request. [`Template::next`] makes it the next one.
#[derive(Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    body: usize,
    ids: Ids,
    many: bool,
    numbers: Vec<usize>,
    id_places: Vec<usize>,
    partitions: Vec<usize>,
    /// Entries in the request.
    pub(crate) entries: u64,
    number: u64,
    /// Of the generator that chooses partitions (xorshift).
    state: u64,
}

impl Template {
    /// One entry for `POST /api/v1/logs`; `lane` makes the numbers of connections differ.
    pub(crate) fn single(token: &str, ids: Ids, into: &Into, lane: u64) -> Self {
        Self::new("/api/v1/logs", token, &entry(ids, into), ids, into, lane, 1)
    }

    /// `count` entries for `POST /api/v1/logs/bulk`.
    pub(crate) fn bulk(token: &str, ids: Ids, into: &Into, lane: u64, count: u64) -> Self {
        let one = entry(ids, into);
        let all: Vec<&str> = (0..count).map(|_| one.as_str()).collect();
        let body = format!(r#"{{"entries":[{}]}}"#, all.join(","));
        Self::new("/api/v1/logs/bulk", token, &body, ids, into, lane, count)
    }

    fn new(
        path: &str,
        token: &str,
        body: &str,
        ids: Ids,
        into: &Into,
        lane: u64,
        entries: u64,
    ) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let places = |mark: &str, skip: usize| {
            let found = body.match_indices(mark);
            found
                .map(|(at, _)| head.len() + at + skip)
                .collect::<Vec<usize>>()
        };
        let mut numbers = places(&format!("-{NUMBER}\""), 1);
        numbers.sort_unstable();
        Self {
            body: head.len(),
            ids,
            many: *into == Into::Many,
            numbers,
            id_places: places(&Uuid::nil().to_string(), 0),
            partitions: places(&format!(r#""{}""#, partition(0)), 2),
            entries,
            number: lane * 1_000_000,
            state: lane + 0x9E37_79B9_7F4A_7C15,
            bytes: [head.as_bytes(), body.as_bytes()].concat(),
        }
    }

    /// Makes the next request and returns its bytes.
    pub(crate) fn next(&mut self) -> &[u8] {
        for at in &self.id_places {
            let place = &mut self.bytes[*at..*at + 36];
            self.ids.new_id().hyphenated().encode_lower(place);
        }
        // Each entry has three numbers that are alike.
        for places in self.numbers.chunks(3) {
            self.number += 1;
            let digits = format!("{:08}", self.number % 100_000_000);
            for at in places {
                self.bytes[*at..*at + 8].copy_from_slice(digits.as_bytes());
            }
        }
        if self.many {
            for at in &self.partitions {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                let digits = format!("{:05}", self.state % u64::from(PARTITIONS));
                self.bytes[*at..*at + 5].copy_from_slice(digits.as_bytes());
            }
        }
        &self.bytes
    }

    /// The body of the request made last.
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }
}

#[cfg(test)]
mod tests {
    use chain::{Entry, Recorder};

    use super::*;

    const RECORDER: Recorder<'_> = Recorder {
        kind: "service",
        id: "1",
    };

    #[test]
    fn entries_are_accepted_and_all_different() {
        let into = Into::One("default".to_owned());
        for ids in [Ids::Server, Ids::V7, Ids::V4] {
            let mut template = Template::single("token", ids, &into, 3);
            let mut events = Vec::new();
            for _ in 0..3 {
                template.next();
                let entry = Entry::parse(template.body(), RECORDER, Uuid::nil()).unwrap();
                assert_eq!(entry.id_given(), ids != Ids::Server);
                assert_eq!(entry.partition(), "default");
                let posted = template.body().len();
                assert!((650..800).contains(&posted), "{posted} bytes");
                events.push(entry.event().to_owned());
            }
            events.dedup();
            assert_eq!(events.len(), 3);
        }
    }

    #[test]
    fn a_request_has_the_length_that_it_names() {
        let mut template = Template::bulk("token", Ids::V7, &Into::Many, 0, 5);
        let text = String::from_utf8(template.next().to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        let entries = chain::parse_bulk(body.as_bytes(), RECORDER, 5, Uuid::nil).unwrap();
        let mut ids: Vec<Uuid> = entries.iter().map(Entry::id).collect();
        ids.dedup();
        assert_eq!(ids.len(), 5);
        for entry in entries {
            let number: u32 = entry.partition()[1..].parse().unwrap();
            assert_eq!(partition(number), entry.partition());
        }
    }
}
