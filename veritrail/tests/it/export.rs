//! Entries taken along: by a job and directly, also after an interruption.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

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

/// The id of a job is on the disk before the server knows of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_command_after_an_interruption_goes_on_with_the_same_job() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();
    append(&place, 50);
    let mut database = place.database().await;
    let mut standstill = database.begin().await.unwrap();
    standstill
        .execute("lock table export.jobs in access exclusive mode")
        .await
        .unwrap();
    let command = ["--json", "export", "--partition", "default", "-o", "a.csv"];
    let mut interrupted = place.command(&command).spawn().unwrap();
    let note = place.path.join("a.csv.export");
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    while !note.exists() {
        tick.tick().await;
        assert_eq!(interrupted.try_wait().unwrap(), None, "it waits");
    }
    interrupted.kill().unwrap();
    interrupted.wait().unwrap();
    standstill.rollback().await.unwrap();
    let begun: Value = serde_json::from_slice(&fs::read(&note).unwrap()).unwrap();

    let made = place.run(&command).good().value();
    assert_eq!(made["id"], begun["id"]);
    assert_eq!(made["rows"], 50);
    assert!(!note.exists());
    let jobs = sqlx::query_scalar::<_, i64>("select count(*) from export.jobs");
    assert_eq!(jobs.fetch_one(&mut database).await.unwrap(), 1);
    // Afterwards it is another one.
    let another = place.run(&command).good().value();
    assert_ne!(another["id"], made["id"]);
    up.interrupt();
}
