//! The worked example of `docs/format.md`: every block of it follows from the posted one.

use std::collections::BTreeMap;

use chain::{Chain, Entry, Hash, Head, Mask, Recorder, Salt, Stored};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::entries::erase;

/// The fenced blocks that have a name after their language.
fn blocks() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut blocks = BTreeMap::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((_, name)) = info.split_once(' ') {
            assert!(
                blocks.insert(name.to_owned(), text.join("\n")).is_none(),
                "{name} twice"
            );
        }
    }
    blocks
}

fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(pieces.concat()).into()
}

#[test]
fn the_worked_example_holds() {
    let blocks = blocks();
    let chain = Chain {
        origin: "audit.example.com".to_owned(),
        tenant: "acme".to_owned(),
        partition: "default".to_owned(),
        generation: 1,
    };
    let recorder = Recorder {
        kind: "service",
        id: "0197a1c2-7c3e-7b4a-9d21-5e6f70819203",
    };
    let salt: Salt = blocks["salt"].parse().unwrap();
    let id: Uuid = blocks["id"].parse().unwrap();
    let entry = Entry::parse(blocks["posted"].as_bytes(), recorder, id).unwrap();
    let mut head = Head::empty(&chain);
    let received_at = blocks["received_at"].parse().unwrap();
    let link = head.link(&chain.tenant, &entry, salt, received_at);
    let row = Stored::new(&chain, &entry, &link);
    let erased = erase(&row, &["actor"]);

    let mut expected = BTreeMap::from([
        ("genesis", chain.genesis().to_string()),
        ("event", entry.event().to_owned()),
        ("document", row.document().unwrap()),
        ("hash", row.hash.to_string()),
        ("reading", row.reading_form(Mask::Nothing).unwrap()),
        ("evidence", row.evidence_form().unwrap()),
        ("evidence-erased", erased.evidence_form().unwrap()),
        ("residue", erased.residue.clone().unwrap()),
    ]);
    // The parts as the formulas of the page have them, without the crate.
    let actor = r#"{"email":"ada@example.com","name":"Ada"}"#;
    let context = r#"{"ip":"192.0.2.1"}"#;
    let mut lines = Vec::new();
    for (name, text) in [("actor", actor), ("context", context)] {
        let part_salt = sha256(&[b"veritrail/salt/v1\n", &salt.0, name.as_bytes()]);
        let part_salt = Salt(*part_salt.first_chunk().unwrap());
        let digest = sha256(&[
            b"veritrail/part/v1\n",
            &part_salt.0,
            name.as_bytes(),
            b"\n",
            text.as_bytes(),
        ]);
        lines.push(format!(
            "{name}\n  text   {text}\n  salt   {}\n  digest {}",
            part_salt,
            Hash(digest)
        ));
    }
    expected.insert("parts", lines.join("\n"));
    for (name, text) in &expected {
        let written = blocks.get(*name).map(String::as_str).unwrap_or_default();
        assert_eq!(written, text, "block {name}");
    }
    let given = ["posted", "id", "received_at", "salt"];
    assert_eq!(blocks.len(), expected.len() + given.len());
}
