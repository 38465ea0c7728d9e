//! The mapping against the 1,500 posted texts of the format's own vectors, and
//! the records that no sample has.

use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;

fn unpacked(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let file =
        std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn sample() -> Vec<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(rename = "Records")]
        records: Vec<Box<RawValue>>,
    }
    serde_json::from_str::<File>(&unpacked("../sample/cloudtrail.json.gz"))
        .unwrap()
        .records
}

fn mapped(record: &Value) -> Value {
    serde_json::from_str(&entry(&record.to_string(), None).unwrap()).unwrap()
}

#[test]
fn the_first_1500_records_are_the_vectors_posted_texts_byte_for_byte() {
    let posted = unpacked("../shared/chain/vectors/chain-posted.jsonl.gz");
    let records = sample();
    assert_eq!(records.len(), 1933);
    assert_eq!(posted.lines().count(), 1500);
    for (seq, (record, line)) in records.iter().zip(posted.lines()).enumerate() {
        assert_eq!(entry(record.get(), None).unwrap(), line, "record {seq}");
    }
}

#[test]
fn a_session_named_by_an_address_is_the_role_and_the_address_its_name() {
    let arn = "arn:aws:sts::1:assumed-role/Auditors/jane@example.com";
    let entry = mapped(&json!({
        "eventID": "875240ac-e821-4fc6-a311-8c352a1d20f5", "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "userIdentity": {"type": "AssumedRole", "principalId": "AROA1:jane@example.com", "arn": arn},
        "resources": [{"ARN": "arn:aws:iam::1:user/joe@example.com"}],
    }));
    assert_eq!(entry["actor"]["id"], "arn:aws:sts::1:assumed-role/Auditors");
    assert_eq!(entry["actor"]["name"], "jane@example.com");
    assert_eq!(entry["actor"]["metadata"]["arn"], arn);
    assert_eq!(
        entry["targets"],
        json!([{"type": "iam", "id": "arn:aws:iam::1:user", "name": "joe@example.com"}])
    );
}

#[test]
fn a_user_named_by_an_address_is_the_principal_id() {
    let entry = mapped(&json!({
        "eventID": "875240ac-e821-4fc6-a311-8c352a1d20f5", "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDA1", "arn": "arn:aws:iam::1:user/jane@example.com",
            "userName": "jane@example.com",
        },
    }));
    assert_eq!(entry["actor"]["id"], "AIDA1");
    assert_eq!(entry["actor"]["name"], "jane@example.com");
}

#[test]
fn what_does_not_fit_stays_in_the_metadata() {
    let long = "x".repeat(300);
    let resources: Vec<Value> = (0..33)
        .map(|n| json!({"ARN": format!("arn:aws:s3:::b{n}")}))
        .collect();
    let entry = mapped(&json!({
        "eventID": "875240ac-e821-4fc6-a311-8c352a1d20f5", "eventSource": "odd source!",
        "eventName": "Über", "userIdentity": {"arn": long, "principalId": "p"},
        "errorCode": long, "resources": resources, "size": 12_345_678_901_234_567_890_u64,
    }));
    assert_eq!(entry["action"], "odd_source_._ber");
    assert_eq!(entry["actor"]["id"], "p");
    assert_eq!(entry["actor"]["metadata"]["arn"], long);
    assert_eq!(
        entry["outcome"],
        json!({"status": "failure", "reason": null})
    );
    assert_eq!(entry["metadata"]["errorCode"], long);
    assert_eq!(entry["metadata"]["resources"].as_array().unwrap().len(), 33);
    assert_eq!(entry["metadata"]["size"], 12_345_678_901_234_567_890_u64);
    assert!(entry.get("targets").is_none());
}

#[test]
fn snake_case_keeps_abbreviations_together() {
    for (name, snake) in [
        ("DescribeRouteTables", "describe_route_tables"),
        ("DescribeDBInstances", "describe_db_instances"),
        ("ListObjectsV2", "list_objects_v2"),
        ("GetAPIKey", "get_api_key"),
        ("ListBuckets20150331", "list_buckets20150331"),
    ] {
        assert_eq!(snake_case(name), snake);
    }
}

#[test]
fn a_record_without_its_essentials_is_named() {
    assert!(matches!(entry("[]", None), Err(Unmappable::Malformed(_))));
    assert!(matches!(
        entry("{}", None),
        Err(Unmappable::Missing("eventID"))
    ));
}
