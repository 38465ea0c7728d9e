//! The first quarter of an hour: import, look, append, prove.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::veritrail::Place;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sample/cloudtrail.json.gz");

#[test]
fn the_sample_is_imported_once_and_proved() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();

    let first = place
        .run(&["import", "cloudtrail", SAMPLE, "--json"])
        .good()
        .value();
    assert_eq!(
        (first["read"].as_u64(), first["appended"].as_u64()),
        (Some(1933), Some(1933)),
        "{first}"
    );
    let second = place.run(&["import", "cloudtrail", SAMPLE]).good();
    assert!(second.out.contains("nothing new: 1,933"), "{}", second.out);
    let head = place.run(&["partitions", "--json"]).good().value();
    assert_eq!(head["partitions"][0]["partition"], "default");
    assert_eq!(head["partitions"][0]["size"], 1933);
    assert!(place.run(&["partitions"]).good().out.contains("1,933"));

    let tail = place
        .run(&["tail", "-n", "5", "--partition", "default", "--json"])
        .good()
        .values();
    let seqs: Vec<u64> = tail
        .iter()
        .map(|entry| entry["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [1928, 1929, 1930, 1931, 1932]);
    let many = place
        .run(&["tail", "-n", "1500", "--partition", "default", "--json"])
        .good()
        .values();
    assert_eq!(many.len(), 1500, "more than one page");
    assert_eq!(many[0]["seq"], 433);
    let lines = place
        .run(&["tail", "-n", "5", "--partition", "default"])
        .good()
        .out;
    assert_eq!(lines.lines().count(), 5);
    assert!(lines.contains("default/1932"), "{lines}");

    let id = tail[4]["id"].as_str().unwrap();
    let entry = place.run(&["get", id, "--json"]).good().value();
    assert_eq!(entry, tail[4]);
    let shown = place.run(&["get", id]).good().out;
    assert!(
        shown.lines().any(|line| line.starts_with("actor.id ")),
        "{shown}"
    );
    let evidence = place
        .run(&["get", id, "--evidence", "--json"])
        .good()
        .value();
    assert!(evidence["document"].is_string());
    assert_eq!(
        place
            .run(&["get", "00000000-0000-7000-8000-000000000000"])
            .code,
        2
    );

    let proved = place.run(&["verify", "--json"]).good().values();
    assert_eq!(proved.last().unwrap()["good"], true);
    let default = proved
        .iter()
        .find(|verdict| verdict["partition"] == "default")
        .unwrap();
    assert_eq!(default["entries"], 1933);
    assert_eq!(default["hash"], head["partitions"][0]["hash"]);
    // Whoever has another port is in nobody's way while it runs, but in that of the next start.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let doctor = place.run(&["doctor", "--listen", &taken]).good();
    assert!(doctor.out.contains(&up.address), "{}", doctor.out);
    assert_eq!(up.interrupt(), 0);
    let doctor = place.run(&["doctor", "--listen", &taken]);
    assert_eq!(doctor.code, 2);
    assert!(doctor.out.contains(&taken), "{}", doctor.out);
}

#[test]
fn entries_are_found_by_words_and_values() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();
    place.run(&["import", "cloudtrail", SAMPLE]).good();
    let all = place.run(&["tail", "-n", "2000", "--partition", "default", "--json"]);
    let all = all.good().values();
    let search = |arguments: &[&str]| {
        let options = ["--partition", "default", "--json", "--all"];
        place
            .run(&[&["search"], &options[..], arguments].concat())
            .good()
            .values()
    };

    let succeeded = |entry: &&Value| entry["outcome"]["status"] == "success";
    let mut expected: Vec<_> = all.iter().filter(succeeded).cloned().collect();
    assert!(expected.len() > 1000, "more than one page");
    assert_eq!(search(&["--outcome", "success", "--oldest"]), expected);
    expected.reverse();
    assert_eq!(search(&["--outcome", "success"]), expected);
    let ec2 = |entry: &&Value| entry["action"].as_str().unwrap().starts_with("ec2.");
    let expected: Vec<_> = all.iter().rev().filter(ec2).cloned().collect();
    assert!(!expected.is_empty());
    assert_eq!(search(&["--action", "ec2.*"]), expected);

    let described = search(&["ec2 describe*", "--outcome", "failure"]);
    assert!(!described.is_empty());
    for entry in &described {
        assert!(
            entry.to_string().to_lowercase().contains("describe"),
            "{entry}"
        );
        assert_eq!(entry["outcome"]["status"], "failure");
    }
    let without = search(&[
        "--outcome",
        "failure",
        "--",
        "ec2",
        "-\"describe instances\"",
    ]);
    assert!(
        without
            .iter()
            .all(|entry| entry["action"] != "ec2.describe_instances")
    );

    let few = place.run(&["search", "ec2", "-n", "3"]).good();
    assert_eq!(few.out.lines().count(), 3);
    assert!(few.err.contains("there may be more"), "{}", few.err);
    let none = place.run(&["search", "nowhere-to-be-found"]).good();
    assert!(
        none.out.is_empty() && none.err.contains("nothing found"),
        "{}",
        none.err
    );
    for (arguments, reason) in [
        (["*ec2", "-n", "1"], "query.q"),
        (["--from", "yesterday", "ec2"], "query.from"),
        (["--label", "region", "ec2"], "--label region"),
        (["--metadata", "size", "ec2"], "--metadata size"),
    ] {
        let refused = place.run(&[&["search"], &arguments[..]].concat());
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains(reason), "{}", refused.err);
    }
    drop(up);
}

#[test]
fn entries_come_from_an_argument_standard_input_and_a_file() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();

    let one = place
        .run(&[
            "append",
            r#"{"action":"a.one","actor":{"type":"user","id":"u"}}"#,
            "--json",
        ])
        .good();
    let receipt = one.value();
    assert_eq!(receipt["seq"], 0);
    let id: uuid::Uuid = receipt["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let words = [
        "append",
        "a.two",
        "actor=user:u",
        "target=door:4",
        "label.env=test",
        "--json",
    ];
    assert_eq!(place.run(&words).good().value()["seq"], 1);

    // Pretty-printed and one a line, both on standard input.
    let input = b"{\n  \"action\": \"a.three\",\n  \"actor\": {\"type\": \"user\", \"id\": \"u\"}\n}\n{\"action\":\"a.four\",\"actor\":{\"type\":\"user\",\"id\":\"u\"}}";
    let receipts = place.run_with(&["append", "--json"], input).good().values();
    assert_eq!(receipts.len(), 2);

    let mut lines = String::new();
    for number in 0..2_500 {
        let actor = json!({"type": "job", "id": number.to_string()});
        lines +=
            &json!({"id": uuid::Uuid::now_v7(), "action": "n.counted", "actor": actor}).to_string();
        lines.push('\n');
    }
    let file = place.path.join("entries.jsonl");
    std::fs::write(&file, &lines).unwrap();
    let file = file.to_str().unwrap();
    assert!(
        place
            .run(&["append", "--file", file])
            .good()
            .out
            .contains("2,500 appended")
    );
    let again = place.run(&["append", "--file", file]).good();
    assert!(
        again.out.contains("2,500 were already there"),
        "{}",
        again.out
    );

    // One that can never be appended is named, the others are.
    let mixed = b"{\"action\":\"a.good\",\"actor\":{\"type\":\"user\",\"id\":\"u\"}}\n{\"action\":\"NOT GOOD\",\"actor\":{\"type\":\"user\",\"id\":\"u\"}}\n{\"action\":\"a.good\",\"actor\":{\"type\":\"user\",\"id\":\"u\"}}\n";
    let mixed = place.run_with(&["append", "--json"], mixed);
    assert_eq!(mixed.code, 2);
    let values = mixed.values();
    assert_eq!(
        values.iter().filter(|value| value["seq"].is_u64()).count(),
        2,
        "{}",
        mixed.out
    );
    assert!(
        values
            .iter()
            .any(|value| value["refused"]["source"] == "entry 2"),
        "{}",
        mixed.out
    );

    let unknown = place.run(&["append", "a.b", "actor=user:u", "partition=nowhere"]);
    assert_eq!(unknown.code, 2);
    place.run(&["verify"]).good();
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn following_shows_what_is_appended() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();
    place.run(&["append", "a.before", "actor=user:u"]).good();
    let mut command = place.command(&["tail", "-n", "1", "-f", "--partition", "default", "--json"]);
    let mut tail = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["action"], "a.before");
    for action in ["a.first", "a.second"] {
        place.run(&["append", action, "actor=user:u"]).good();
        assert_eq!(next()["action"], action);
    }
    // It goes on where it was when the server comes back.
    let address = up.address.clone();
    assert_eq!(up.interrupt(), 0);
    let up = place.up_again(&address);
    place.run(&["append", "a.third", "actor=user:u"]).good();
    assert_eq!(next()["action"], "a.third");
    kill_process(Pid::from_raw(tail.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert!(tail.wait().unwrap().success());
    assert_eq!(up.interrupt(), 0);
}
