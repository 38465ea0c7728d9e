//! Entries taken along: by a job and directly, also after an interruption.

use std::fs;

use serde_json::{Value, json};

use crate::veritrail::Place;

fn append(place: &Place, count: usize) {
    let lines: String = (0..count)
        .map(|number| {
            let action = ["invoice.paid", "user.login"][number % 2];
            json!({"action": action, "actor": {"type": "user", "id": "u", "name": "=1+1"}})
                .to_string()
                + "\n"
        })
        .collect();
    place.run_with(&["append"], lines.as_bytes()).good();
}

#[test]
fn a_file_is_brought_and_an_interrupted_one_gone_on_with() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();
    append(&place, 400);
    let file = place.path.join("all.csv");
    let partition = ["--partition", "default"];
    let options = ["export", "-o", "all.csv", "--json"];
    let made = place
        .run(&[&options[..], &partition].concat())
        .good()
        .value();
    assert_eq!(made["rows"], 400);
    let whole = fs::read(&file).unwrap();
    assert_eq!(made["bytes"], whole.len());
    let text = String::from_utf8(whole.clone()).unwrap();
    assert!(text.contains(",'=1+1,"), "no cell is a formula");
    let left: Vec<_> = fs::read_dir(&place.path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("all.csv."))
        .collect();
    assert_eq!(left, Vec::<String>::new());

    // As if the connection had gone in the middle.
    let id = made["id"].as_str().unwrap();
    fs::rename(&file, place.path.join("all.csv.part")).unwrap();
    let part = fs::OpenOptions::new()
        .write(true)
        .open(place.path.join("all.csv.part"))
        .unwrap();
    part.set_len(whole.len() as u64 / 3).unwrap();
    place.run(&["export", "--job", id, "-o", "all.csv"]).good();
    assert_eq!(fs::read(&file).unwrap(), whole);

    // A part of something else is found by its digest, and taken away.
    fs::write(place.path.join("all.csv.part"), "something else").unwrap();
    let ended = place.run(&["export", "--job", id, "-o", "all.csv"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    place.run(&["export", "--job", id, "-o", "all.csv"]).good();
    assert_eq!(fs::read(&file).unwrap(), whole);

    let direct = ["export", "--direct", "-o", "-"];
    let direct = place.run(&[&direct[..], &partition].concat()).good();
    assert_eq!(
        direct.out.as_bytes(),
        whole,
        "both ways give the same bytes"
    );
    let some = [
        "export",
        "--direct",
        "-o",
        "some.jsonl",
        "--format",
        "jsonl",
        "--action",
        "user.*",
    ];
    place.run(&[&some[..], &partition].concat()).good();
    let some = fs::read_to_string(place.path.join("some.jsonl")).unwrap();
    let actions = some
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].clone());
    assert_eq!(actions.filter(|action| action == "user.login").count(), 200);
    up.interrupt();
}
