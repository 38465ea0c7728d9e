//! What the usual reader accepts, the strict one says too: of lines as they are written, and of lines that somebody
//! changed.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::json::Buffers;
use crate::{Chain, Entry, Head, Recorder, Salt, Stored, Timestamp};

const RECORDER: Recorder<'_> = Recorder {
    kind: "service",
    id: "billing",
};

const POSTS: [&str; 4] = [
    r#"{"action":"a"}"#,
    r#"{"action":"a","description":"Zoë said \"no\"\\\n"}"#,
    r#"{"action":"a","actor":{"type":"user","id":"\"1\\\\","name":"\\\"\\"},"metadata":{"\\":"\u0001"}}"#,
    r#"{"action":"invoice.approved","actor":{"type":"user","id":"u","name":"Ada Example"},"targets":[{"type":"invoice","id":"inv-1","name":"Invoice of March"}],"changes":[{"field":"s","old":[1.5,null],"new":{"a":{}}}],"context":{"ip":"192.0.2.17","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"},"labels":{"region":"eu-central-1"}}"#,
];

fn verifier() -> Verifier {
    Verifier::new(Chain {
        origin: "audit.example.com".to_owned(),
        tenant: "acme".to_owned(),
        partition: "default".to_owned(),
        generation: 1,
    })
}

/// The post as the first entry of the chain, without its first parts if some are erased.
fn line(posted: &str, erased: usize) -> String {
    let chain = verifier().position.chain;
    let entry = Entry::parse(posted.as_bytes(), RECORDER, Uuid::from_u128(7)).unwrap();
    let link = Head::empty(&chain).link("acme", &entry, Salt([9; 16]), Timestamp::FIRST);
    let mut row = Stored::new(&chain, &entry, &link);
    let names: Vec<&str> = entry
        .each_part()
        .map(|(name, _)| name)
        .take(erased)
        .collect();
    if let Some(erased) = row.erase(&names).unwrap() {
        row.salt = None;
        row.parts = erased.parts;
        row.residue = Some(erased.residue);
    }
    row.evidence_form().unwrap()
}

/// Compares all that either reader makes of the line; whether the usual one accepted it.
fn both_agree(line: &[u8]) -> bool {
    let mut verifier = verifier();
    let mut buffers = Buffers::default();
    let strict = strict::read(line, &mut buffers).and_then(|line| verifier.position.check(line));
    let strict = strict.map_err(|stop| stop.of_entry(0));
    let mut usual = Usual::default();
    let accepted = match usual.read(line).map(|line| verifier.position.check(line)) {
        Some(Ok(verified)) => {
            assert_eq!(strict.as_ref(), Ok(&verified));
            true
        }
        None | Some(Err(_)) => false,
    };
    assert_eq!(verifier.line(line), strict);
    accepted
}

/// The line with more members behind its parts.
fn with_members(line: &str, members: &str) -> String {
    format!("{},{members}}}", line.strip_suffix('}').unwrap())
}

#[test]
fn lines_as_they_are_written_are_usual() {
    for posted in POSTS {
        for erased in 0..3 {
            let line = line(posted, erased);
            assert!(both_agree(line.as_bytes()), "{line}");
            assert!(both_agree(format!("{line}\n").as_bytes()));
            let proof = r#""proof":"c2sp.org/tlog-proof@v1\nindex 0\n\n","#;
            let columns = r#""columns":{"seq":0,"text":["ë\u00eb\\\""]}"#;
            let more = with_members(&line, &format!("{proof}{columns}"));
            assert!(both_agree(more.as_bytes()), "{more}");
        }
    }
}

#[test]
fn unusual_lines_are_left_to_the_strict_reader() {
    for posted in POSTS {
        let line = line(posted, 0);
        for members in [
            r#""document":"""#,
            r#""parts":{}"#,
            r#""a":1,"a":2"#,
            r#""a":"\ud800""#,
            r#""proof":1"#,
            r#""\u0000":1"#,
            "",
        ] {
            assert!(
                !both_agree(with_members(&line, members).as_bytes()),
                "{members}"
            );
        }
        let nested = format!("\"a\":{}{}", "[".repeat(64), "]".repeat(64));
        assert!(!both_agree(with_members(&line, &nested).as_bytes()));
        let spaced = line.replace(",\"parts\"", ", \"parts\"");
        assert!(!both_agree(spaced.as_bytes()));
        let (document, parts) = line[1..line.len() - 1].split_once(",\"parts\":").unwrap();
        let turned = format!("{{\"parts\":{parts},{document}}}");
        assert!(!both_agree(turned.as_bytes()));
        verifier().line(spaced.as_bytes()).unwrap();
        verifier().line(turned.as_bytes()).unwrap();
    }
}

#[test]
fn every_byte_changed() {
    for posted in POSTS {
        let line = line(posted, 0).into_bytes();
        for at in 0..line.len() {
            for byte in *b"\"\\{}[],:0an \n\x00\x80\xc3" {
                let mut changed = line.clone();
                changed[at] = byte;
                both_agree(&changed);
            }
            both_agree(&line[..at]);
            both_agree(&[&line[..at], &line[at + 1..]].concat());
            both_agree(&[&line[..at], &line[at..=at], &line[at..]].concat());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_of_any_text_changed_anywhere(
        text in "[a-cë€😀\"\\\\\n\u{1} /]{0,200}",
        erased in 0_usize..2,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), "[\"\\\\{}:,ab0ë\n]{0,3}", 0_usize..3), 0..3),
    ) {
        let posted = serde_json::json!({
            "action": "a",
            "actor": {"type": "user", "id": "1", "name": &text},
            "labels": {"l": text.chars().take(9).collect::<String>()},
            "metadata": {"of": [&text]},
        });
        let mut line = line(&posted.to_string(), erased).into_bytes();
        let usual = changes.is_empty();
        for (at, new, old) in changes {
            let at = at.index(line.len());
            let end = line.len().min(at + old);
            line.splice(at..end, new.bytes());
        }
        let accepted = both_agree(&line);
        prop_assert!(accepted || !usual);
    }
}
