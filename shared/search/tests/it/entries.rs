//! Entries for the tests, made by the format's own code from posts.

use chain::{Chain, Entry, Head, Recorder, Salt, Stored, Timestamp};
use query::Document;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const RECORDER: Recorder<'static> = Recorder {
    kind: "service",
    id: "0197-billing",
};

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Each post as the entry that it becomes, with its time, as one chain.
pub(crate) fn chain(tenant: &str, partition: &str, posts: &[(&str, Value)]) -> Vec<Stored> {
    let chain = Chain {
        origin: "search.test".to_owned(),
        tenant: tenant.to_owned(),
        partition: partition.to_owned(),
        generation: 1,
    };
    let mut head = Head::empty(&chain);
    let entries = posts.iter().zip(1..).map(|((moment, post), number)| {
        let mut post = post.clone();
        post["partition"] = json!(partition);
        let text = post.to_string();
        let id = Uuid::from_u128(0x0199_c3a1_7c00_7000_8000_0000_0000_0000 + number);
        let entry = Entry::parse(text.as_bytes(), RECORDER, id).unwrap();
        let link = head.link(tenant, &entry, Salt([7; 16]), time(moment));
        Stored::new(&chain, &entry, &link)
    });
    entries.collect()
}

pub(crate) fn documents(entries: &[Stored]) -> Vec<Document> {
    entries.iter().map(|e| Document::of(e).unwrap()).collect()
}

/// A small document without much in it.
pub(crate) fn small(partition: &str, seq: u64, micros: i64) -> Document {
    Document {
        partition: partition.to_owned(),
        generation: 1,
        seq,
        received_at: Timestamp::from_micros(micros).unwrap(),
        version: 1,
        keywords: vec![
            (query::Keyword::Action, "a.b".to_owned()),
            (query::Keyword::ActionBelow, "a.".to_owned()),
            (query::Keyword::Severity, "info".to_owned()),
        ],
        words: vec!["a b".to_owned()],
        personal_words: Vec::new(),
    }
}
