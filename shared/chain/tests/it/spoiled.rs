//! Stored entries and evidence with one thing changed: verification fails at that entry, whatever was changed. Only what
//! an evidence line alone can say (its document) is found by the next line, or by the head.

use chain::verify::{Error, Verifier};
use chain::{Chain, Entry, Hash, Head, Salt, Stored, Timestamp};
use uuid::Uuid;

use crate::entries::{Case, erase};
use crate::rejected::RECORDER;
use crate::vectors::json;

/// A chain of five: without parts, with every part there can be, all parts erased, some erased, none erased.
fn rows() -> (Chain, Vec<Stored>) {
    let chain = Chain {
        origin: "audit.example.com".to_owned(),
        tenant: "acme".to_owned(),
        partition: "default".to_owned(),
        generation: 2,
    };
    let cases: Vec<Case> = json("entries.json");
    let every = cases
        .iter()
        .find(|case| case.name == "every member")
        .unwrap();
    let every = every.posted().replace(r#""partition": "billing", "#, "");
    let personal = r#"{"action":"a","actor":{"type":"user","id":"1","name":"Zoë \"Z\"\n"},"context":{"ip":"192.0.2.1"}}"#;
    let mut head = Head::empty(&chain);
    let posts = [r#"{"action":"a"}"#, &every, personal, personal, personal];
    let mut rows: Vec<Stored> = posts
        .iter()
        .zip(1_u8..)
        .map(|(posted, n)| {
            let id = Uuid::from_u128(u128::from(n));
            let entry = Entry::parse(posted.as_bytes(), RECORDER, id).unwrap();
            let at = Timestamp::from_micros(i64::from(n) * 1_000).unwrap();
            let link = head.link(&chain.tenant, &entry, Salt([n; 16]), at);
            Stored::new(&chain, &entry, &link)
        })
        .collect();
    rows[2] = erase(&rows[2], &["actor", "context"]);
    rows[3] = erase(&rows[3], &["actor"]);
    (chain, rows)
}

/// The first entry that verification of the rows stops at, and at which column.
fn stops_at(chain: &Chain, rows: &[Stored]) -> Option<(u64, String)> {
    let mut verifier = Verifier::new(chain.clone());
    for row in rows {
        match verifier.row(row) {
            Ok(_) => {}
            Err(Error::Wrong { seq, place, .. }) => return Some((seq, place)),
            Err(error) => panic!("{error}"),
        }
    }
    None
}

/// `text` with each of its bytes changed in turn, left out, or doubled, as far as it stays text.
fn changed(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    for at in 0..bytes.len() {
        for byte in [bytes[at] ^ 1, bytes[at] ^ 0x20, b'0', b' ', b'"'] {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            all.push(changed);
        }
        let mut shorter = bytes.to_vec();
        shorter.remove(at);
        all.push(shorter);
        let mut longer = bytes.to_vec();
        longer.insert(at, bytes[at]);
        all.push(longer);
    }
    all.push(Vec::new());
    all.into_iter()
        .filter(|changed| changed != bytes)
        .filter_map(|changed| String::from_utf8(changed).ok())
        .collect()
}

fn bits<const N: usize>(bytes: [u8; N]) -> impl Iterator<Item = [u8; N]> {
    (0..8 * N).map(move |bit| {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    })
}

/// Every way to change one column of a row.
fn spoiled(row: &Stored) -> Vec<Stored> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Stored)| {
        let mut changed = row.clone();
        change(&mut changed);
        all.push(changed);
    };
    for text in changed(&row.event) {
        with(&|row| row.event.clone_from(&text));
    }
    for text in changed(&row.tenant) {
        with(&|row| row.tenant.clone_from(&text));
    }
    for text in changed(&row.partition) {
        with(&|row| row.partition.clone_from(&text));
    }
    for text in row.parts.as_deref().map(changed).unwrap_or_default() {
        with(&|row| row.parts = Some(text.clone()));
    }
    for text in row.residue.as_deref().map(changed).unwrap_or_default() {
        with(&|row| row.residue = Some(text.clone()));
    }
    for bytes in bits(row.hash.0) {
        with(&|row| row.hash = Hash(bytes));
    }
    for bytes in bits(row.previous.0) {
        with(&|row| row.previous = Hash(bytes));
    }
    for bytes in bits(*row.id.as_bytes()) {
        with(&|row| row.id = Uuid::from_bytes(bytes));
    }
    for bytes in row.salt.into_iter().flat_map(|salt| bits(salt.0)) {
        with(&|row| row.salt = Some(Salt(bytes)));
    }
    for micros in [-1, 1, 1_000_000] {
        let at = Timestamp::from_micros(row.received_at.as_micros() + micros).unwrap();
        with(&|row| row.received_at = at);
    }
    for seq in [row.seq + 1, row.seq.wrapping_sub(1), u64::MAX] {
        with(&|row| row.seq = seq);
    }
    for generation in [0, 1, 3] {
        with(&|row| row.generation = generation);
    }
    // A column that was null gets a value, one that had a value loses it.
    let other = |column: &Option<String>, value: &str| match column {
        None => Some(value.to_owned()),
        Some(_) => None,
    };
    for value in ["", "{}", r#"{"context":{}}"#] {
        with(&|row| row.parts = other(&row.parts, value));
    }
    for value in [
        "",
        "{}",
        r#"{"digests":{},"salts":{}}"#,
        r#"{"digests":{},"salts":{"actor":"00"}}"#,
    ] {
        with(&|row| row.residue = other(&row.residue, value));
    }
    with(&|row| row.salt = row.salt.map_or(Some(Salt([0; 16])), |_| None));
    all
}

#[test]
fn a_change_to_any_column_is_found_at_its_entry() {
    let (chain, rows) = rows();
    assert_eq!(stops_at(&chain, &rows), None);
    for (index, row) in rows.iter().enumerate() {
        let all = spoiled(row);
        assert!(all.len() > 1_000);
        for changed in all {
            let mut rows = rows.clone();
            rows[index] = changed;
            let found = stops_at(&chain, &rows);
            let at = found.as_ref().map(|(seq, _)| *seq);
            assert_eq!(at, Some(index as u64), "{found:?} {:?}", rows[index]);
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let (chain, rows) = rows();
    let named = |index: usize, change: &dyn Fn(&mut Stored)| {
        let mut rows = rows.clone();
        change(&mut rows[index]);
        let (seq, column) = stops_at(&chain, &rows).unwrap();
        assert_eq!(seq, index as u64);
        column
    };
    assert_eq!(named(1, &|row| row.tenant.push('x')), "tenant");
    assert_eq!(named(1, &|row| row.partition.push('x')), "partition");
    assert_eq!(named(1, &|row| row.generation = 1), "generation");
    assert_eq!(named(1, &|row| row.seq = 9), "seq");
    assert_eq!(
        named(1, &|row| row.received_at = Timestamp::FIRST),
        "received_at"
    );
    assert_eq!(named(1, &|row| row.id = Uuid::nil()), "id");
    assert_eq!(named(1, &|row| row.salt = None), "salt");
    assert_eq!(named(0, &|row| row.salt = Some(Salt([1; 16]))), "salt");
    assert_eq!(named(1, &|row| row.hash = row.previous), "hash");
    assert_eq!(named(1, &|row| row.previous = row.hash), "previous");
    assert_eq!(named(1, &|row| row.event.clear()), "event");
    assert_eq!(
        named(1, &|row| row.event =
            row.event.replace("agent-7", "agent-8")),
        "hash"
    );
    assert_eq!(named(1, &|row| row.parts = Some("{}".to_owned())), "parts");
    assert_eq!(
        named(3, &|row| row.residue = Some("{}".to_owned())),
        "residue"
    );
    assert_eq!(named(3, &|row| row.parts = None), "residue");
    // A row whose hash was recomputed is wrong where the next one follows it.
    let recomputed = |row: &mut Stored| {
        let evidence = row.evidence_form().unwrap();
        let mut verifier = Verifier::starting_at(chain.clone(), row.seq);
        row.hash = verifier.line(evidence.as_bytes()).unwrap().hash;
    };
    let mut rows = rows.clone();
    rows[1].event = rows[1].event.replace("agent-7", "agent-8");
    recomputed(&mut rows[1]);
    assert_eq!(stops_at(&chain, &rows), Some((2, "previous".to_owned())));
}

#[test]
fn a_change_to_any_byte_of_evidence_is_found_there_or_by_the_next_entry() {
    let (chain, rows) = rows();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.evidence_form().unwrap())
        .collect();
    for (index, line) in lines.iter().enumerate() {
        let before = |verifier: &mut Verifier| {
            for line in &lines[..index] {
                verifier.line(line.as_bytes()).unwrap();
            }
            verifier.head().unwrap()
        };
        let head = before(&mut Verifier::new(chain.clone()));
        for changed in changed(line) {
            let mut verifier = Verifier::resume(chain.clone(), head);
            let Ok(verified) = verifier.line(changed.as_bytes()) else {
                continue;
            };
            // The document still says all that one entry alone can say, so it is the next one that finds it.
            let moved = verified.hash != rows[index].hash;
            assert!(moved, "entry {index}: {changed}");
            if let Some(next) = lines.get(index + 1) {
                let error = verifier.line(next.as_bytes()).unwrap_err();
                let Error::Wrong { seq, place, .. } = error else {
                    panic!("{error}");
                };
                assert_eq!(
                    (seq, place.as_str()),
                    (index as u64 + 1, "document/previous")
                );
            }
        }
    }
}
