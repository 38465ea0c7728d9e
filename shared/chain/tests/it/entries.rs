//! Accepted entries of the vectors, byte for byte.

use std::collections::BTreeMap;

use chain::verify::Verifier;
use chain::{Entry, Mask, Stored};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::vectors::{Fill, Server, filled, json as vectors};

#[derive(Clone, Deserialize)]
pub(crate) struct Case {
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) posted: String,
    pub(crate) server: Server,
    pub(crate) document: String,
    pub(crate) parts: BTreeMap<String, Part>,
    pub(crate) hash: String,
    pub(crate) reading_form: String,
    #[serde(default)]
    pub(crate) erased: Vec<Erased>,
    #[serde(default)]
    pub(crate) fill: Vec<Fill>,
    pub(crate) same_content_as: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Part {
    pub(crate) salt: String,
    pub(crate) text: String,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Erased {
    parts: Vec<String>,
    reading_form: String,
    evidence: Value,
}

impl Case {
    fn fill(&self, text: &str) -> String {
        filled(text, &self.fill)
    }

    pub(crate) fn posted(&self) -> String {
        self.fill(&self.posted)
    }

    pub(crate) fn entry(&self) -> Entry {
        let entry = self.server.parse(&self.posted());
        entry.unwrap_or_else(|faults| panic!("{}: {faults:?}", self.name))
    }

    pub(crate) fn stored(&self) -> Stored {
        self.server.store(&self.entry())
    }

    fn evidence(&self) -> Value {
        let parts: serde_json::Map<_, _> = self
            .parts
            .iter()
            .map(|(name, part)| {
                let text = self.fill(&part.text);
                (name.clone(), json!({"salt": part.salt, "text": text}))
            })
            .collect();
        json!({"document": self.fill(&self.document), "parts": parts})
    }

    /// Every text that the format derives from the post.
    pub(crate) fn check(&self) {
        let name = &self.name;
        let stored = self.stored();
        assert_eq!(
            stored.document().unwrap(),
            self.fill(&self.document),
            "{name}"
        );
        assert_eq!(stored.hash.to_string(), self.hash, "{name}");
        assert_eq!(stored.previous.to_string(), self.server.previous, "{name}");
        assert_eq!(stored.check(), Ok(()), "{name}");
        let reading_form = stored.reading_form(Mask::Nothing).unwrap();
        assert_eq!(reading_form, self.fill(&self.reading_form), "{name}");
        let evidence = stored.evidence_form().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&evidence).unwrap(),
            self.evidence(),
            "{name}"
        );
        self.check_verified(&stored, &[]);
        for erased in &self.erased {
            self.check_erased(&stored, erased);
        }
    }

    fn check_erased(&self, stored: &Stored, erased: &Erased) {
        let name = &self.name;
        let names: Vec<&str> = erased.parts.iter().map(String::as_str).collect();
        let after = erase(stored, &names);
        assert_eq!(after.check(), Ok(()), "{name}");
        assert_eq!(
            after.reading_form(Mask::Nothing).unwrap(),
            self.fill(&erased.reading_form)
        );
        let evidence = after.evidence_form().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&evidence).unwrap(),
            erased.evidence,
            "{name}"
        );
        assert!(
            self.entry().same_content(&after),
            "{name}: what was erased is not compared"
        );
        assert_eq!(
            after.erase(&names),
            Ok(None),
            "{name}: nothing is left to erase"
        );
        self.check_verified(&after, &names);
        // One after the other comes to the same as all at once.
        let mut steps = stored.clone();
        for part in &names {
            steps = erase(&steps, &[part]);
        }
        assert_eq!(steps, after, "{name}");
    }

    fn check_verified(&self, stored: &Stored, erased: &[&str]) {
        let chain = self.server.chain();
        let seq = self.server.seq;
        let evidence = stored.evidence_form().unwrap();
        let mut expected: Vec<&str> = erased.to_vec();
        expected.sort_unstable();

        let mut by_row = Verifier::starting_at(chain.clone(), seq);
        let document: Value = serde_json::from_str(&stored.document().unwrap()).unwrap();
        let named = document["personal"].as_object().unwrap().len();
        let verified = by_row.row(stored).unwrap();
        assert_eq!(verified.withheld, expected);
        assert_eq!(verified.parts, named);
        let mut by_line = Verifier::starting_at(chain, seq);
        let verified = by_line.line(evidence.as_bytes()).unwrap();
        assert_eq!(verified.withheld, expected);
        assert_eq!(verified.parts, named);
        assert_eq!(verified.hash.to_string(), self.hash);
        assert_eq!(verified.id, stored.id);
        assert_eq!(verified.document, self.fill(&self.document));
        assert_eq!(by_line.head(), by_row.head());
    }
}

pub(crate) fn erase(stored: &Stored, names: &[&str]) -> Stored {
    let erased = stored.erase(names).unwrap().unwrap();
    Stored {
        salt: None,
        parts: erased.parts,
        residue: Some(erased.residue),
        ..stored.clone()
    }
}

#[test]
fn every_entry_of_the_vectors() {
    let cases: Vec<Case> = vectors("entries.json");
    assert_eq!(cases.len(), 141);
    for case in &cases {
        case.check();
    }
}

#[test]
fn same_content_is_told_from_other_content() {
    let cases: Vec<Case> = vectors("entries.json");
    let mut pairs = 0;
    for case in &cases {
        let entry = case.entry();
        assert!(entry.same_content(&case.stored()), "{}", case.name);
        if let Some(same) = &case.same_content_as {
            let other = cases.iter().find(|case| case.name == *same).unwrap();
            assert!(entry.same_content(&other.stored()), "{}", case.name);
            assert!(other.entry().same_content(&case.stored()), "{}", case.name);
            pairs += 1;
        }
    }
    assert_eq!(pairs, 2);
    for (a, b) in cases.iter().zip(&cases[1..]) {
        let related = a.same_content_as.is_some() || b.same_content_as.is_some();
        if !related && a.posted() != b.posted() {
            assert!(
                !a.entry().same_content(&b.stored()),
                "{} / {}",
                a.name,
                b.name
            );
        }
    }
}

#[test]
fn a_viewer_sees_the_event_alone() {
    let cases: Vec<Case> = vectors("entries.json");
    let case = cases
        .iter()
        .find(|case| case.name == "every member")
        .unwrap();
    let masked = case.stored().reading_form(Mask::Personal).unwrap();
    let masked: Value = serde_json::from_str(&masked).unwrap();
    let open: Value = serde_json::from_str(&case.reading_form).unwrap();
    for part in ["changes", "context", "description", "metadata"] {
        assert!(
            open.get(part).is_some() && masked.get(part).is_none(),
            "{part}"
        );
    }
    assert_eq!(
        masked["actor"],
        json!({
            "type": "agent",
            "id": "agent-7",
            "on_behalf_of": [{"type": "user", "id": "u-1001"}, {"type": "service", "id": "scheduler"}],
        })
    );
    assert_eq!(
        masked["outcome"],
        json!({"status": "failure", "code": "E_LIMIT"})
    );
    assert_eq!(masked["hash"], open["hash"]);
    let erased = erase(&case.stored(), &["actor"])
        .reading_form(Mask::Personal)
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&erased).unwrap()["erased"],
        json!(["actor"])
    );
}

#[test]
fn a_row_in_which_a_member_comes_twice_is_not_given_out() {
    let cases: Vec<Case> = vectors("entries.json");
    let row = cases[0].stored();
    let with = |event: &str, parts: Option<&str>| Stored {
        event: event.to_owned(),
        parts: parts.map(str::to_owned),
        ..row.clone()
    };
    let event = r#"{"action":"a","actor":{"id":"1","type":"user"},"description":"a","outcome":{"status":"failure"},"recorded_by":"user:1"}"#;
    let parts = [
        r#"{"actor":{"id":"2"}}"#,
        r#"{"outcome":{"status":"success"}}"#,
        r#"{"description":"b"}"#,
    ];
    let forged = parts.map(|parts| with(event, Some(parts)));
    let added = event.replace("\"outcome\"", "\"hash\":\"00\",\"outcome\"");
    for row in forged.into_iter().chain([with(&added, None)]) {
        let refused = row.reading_form(Mask::Nothing);
        assert!(refused.is_err(), "{refused:?}");
    }
    assert!(with(event, None).reading_form(Mask::Nothing).is_ok());
}
