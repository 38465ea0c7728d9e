//! Posts that the format refuses: exactly the places, and bounded answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chain::{Entry, Recorder, parse_bulk};
use serde::Deserialize;
use uuid::Uuid;

use crate::vectors::{Fill, Server, filled, json};

pub(crate) const RECORDER: Recorder<'_> = Recorder {
    kind: "service",
    id: "billing",
};

#[derive(Deserialize)]
pub(crate) struct Case {
    name: String,
    posted: Option<String>,
    posted_base64: Option<String>,
    pointer: String,
    #[serde(default)]
    fill: Vec<Fill>,
    server: Option<Server>,
}

impl Case {
    pub(crate) fn posted(&self) -> Vec<u8> {
        match (&self.posted, &self.posted_base64) {
            (Some(posted), None) => filled(posted, &self.fill).into_bytes(),
            (None, Some(posted)) => STANDARD.decode(posted).unwrap(),
            _ => panic!("{}: one of both", self.name),
        }
    }
}

fn pointers(posted: &[u8], recorder: Recorder<'_>) -> Vec<String> {
    let faults = Entry::parse(posted, recorder, Uuid::max()).unwrap_err();
    faults.into_iter().map(|fault| fault.pointer).collect()
}

#[test]
fn every_rejected_post_of_the_vectors() {
    let cases: Vec<Case> = json("rejected.json");
    assert_eq!(cases.len(), 336);
    for case in &cases {
        let recorder = case.server.as_ref().map_or(RECORDER, Server::recorder);
        let expected = filled(&case.pointer, &case.fill);
        assert_eq!(
            pointers(&case.posted(), recorder),
            [expected],
            "{}",
            case.name
        );
    }
}

#[test]
fn the_same_in_a_bulk() {
    let cases: Vec<Case> = json("rejected.json");
    for case in &cases {
        let posted = case.posted();
        // What is not JSON is the whole body's fault.
        let Ok(value) = std::str::from_utf8(&posted) else {
            continue;
        };
        if serde_json::from_str::<&serde_json::value::RawValue>(value).is_err() {
            continue;
        }
        let recorder = case.server.as_ref().map_or(RECORDER, Server::recorder);
        let body = format!(r#"{{"entries":[{{"action":"a"}},{value},{{"action":"b"}}]}}"#);
        let faults = parse_bulk(body.as_bytes(), recorder, 3, Uuid::max).unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| &fault.pointer).collect();
        let expected = format!("/entries/1{}", filled(&case.pointer, &case.fill));
        assert_eq!(pointers, [&expected], "{}", case.name);
    }
}

#[test]
fn each_place_is_told_once() {
    let posted = br#"{"action":"A","action":"B","foo":1,"actor":{"id":5,"name":[]},
        "metadata":{"a":1,"a":2,"a":3,"b":["\ud800",{"\udfff":0}]},"targets":[{}]}"#;
    let mut found = pointers(posted, RECORDER);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/action",
            "/actor/id",
            "/actor/name",
            "/actor/type",
            "/foo",
            "/metadata/a",
            "/metadata/b/0",
            "/metadata/b/1",
            "/targets/0/id",
            "/targets/0/type",
        ]
    );
}

#[test]
fn bodies_of_a_bulk() {
    let faults = |body: &str, max| {
        let faults = parse_bulk(body.as_bytes(), RECORDER, max, Uuid::max).unwrap_err();
        let pointers: Vec<_> = faults.into_iter().map(|fault| fault.pointer).collect();
        pointers
    };
    assert_eq!(faults("", 9), [""]);
    assert_eq!(faults("[]", 9), [""]);
    assert_eq!(faults("{}", 9), ["/entries"]);
    assert_eq!(faults(r#"{"entries":[]}"#, 9), ["/entries"]);
    assert_eq!(faults(r#"{"entries":{}}"#, 9), ["/entries"]);
    assert_eq!(faults(r#"{"entries":null}"#, 9), ["/entries"]);
    let one = r#"{"action":"a"}"#;
    assert_eq!(
        faults(&format!(r#"{{"entries":[{one}],"entries":[{one}]}}"#), 9),
        ["/entries"]
    );
    assert_eq!(
        faults(&format!(r#"{{"entries":[{one},{one}]}}"#), 1),
        ["/entries"]
    );
    assert_eq!(
        faults(&format!(r#"{{"entries":[{one}],"x":1}}"#), 9),
        ["/x"]
    );
    assert_eq!(
        faults(&format!(r#"{{"entries":[{one}],"\ud800":1}}"#), 9),
        [""]
    );
    assert_eq!(
        faults(
            &format!(r#"{{"entries":[1,{one},{{}},{{"action":"A","b":0}}]}}"#),
            9
        ),
        [
            "/entries/0",
            "/entries/2/action",
            "/entries/3/b",
            "/entries/3/action"
        ]
    );
}

#[test]
fn ids_of_a_bulk_come_from_the_post_or_the_caller() {
    let given = Uuid::from_u128(7);
    let body = format!(r#"{{"entries":[{{"action":"a"}},{{"action":"b","id":"{given}"}}]}}"#);
    let mut made = 0;
    let entries = parse_bulk(body.as_bytes(), RECORDER, 2, || {
        made += 1;
        Uuid::from_u128(made)
    })
    .unwrap();
    assert_eq!(made, 1);
    assert_eq!(entries[0].id(), Uuid::from_u128(1));
    assert!(!entries[0].id_given());
    assert_eq!(entries[1].id(), given);
    assert!(entries[1].id_given());
}

/// What is told of a bad body stays in proportion to it, however many faults and however long their pointers.
#[test]
fn answers_are_bounded() {
    let long = "k".repeat(100_000);
    let members: Vec<String> = (0..50_000).map(|n| format!(r#""{n}":1,"{n}":2"#)).collect();
    let posted = format!(r#"{{"metadata":{{"{long}":{{{}}}}}}}"#, members.join(","));
    let faults = Entry::parse(posted.as_bytes(), RECORDER, Uuid::max()).unwrap_err();
    assert_eq!(faults.len(), 1);

    let bad = r#"{"a":1,"b":1,"c":1}"#;
    let body = format!(r#"{{"entries":[{}]}}"#, vec![bad; 1_000].join(","));
    let faults = parse_bulk(body.as_bytes(), RECORDER, 1_000, Uuid::max).unwrap_err();
    assert_eq!(faults.len(), 100 + 1_000 - 25);
    assert_eq!(faults.last().unwrap().pointer, "/entries/999/a");
}
