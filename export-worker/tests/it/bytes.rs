//! What stands in the files: the same whoever makes them, nothing that a spreadsheet runs, nothing
//! that was appended later.

use std::collections::BTreeMap;
use std::io::Read as _;

use export::jobs::Job;
use export::{COLUMNS, Format};
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};

use crate::world::{Place, World, request};

fn checked(job: &Job, file: &[u8]) {
    let summary = job.summary.as_ref().unwrap();
    assert_eq!(summary.bytes, file.len() as u64);
    assert_eq!(summary.sha256[..], Sha256::digest(file)[..]);
}

/// Takes off the apostrophes as `docs/api.md` says.
fn original(cell: &str) -> String {
    let (mut text, mut begins) = (String::new(), true);
    for c in cell.chars() {
        if begins && c == '\'' {
            begins = false;
            continue;
        }
        text.push(c);
        begins = ";|\t\r\n".contains(c) || (begins && c == '"');
    }
    text
}

/// No cell is a formula, whatever a spreadsheet takes to separate cells.
fn is_harmless(file: &[u8]) {
    for delimiter in *b",;|\t" {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.delimiter(delimiter).flexible(true);
        for row in reader.has_headers(false).from_reader(file).records() {
            let row = row.unwrap();
            let formula = |cell: &&str| cell.trim_start().starts_with(['=', '+', '-', '@']);
            let found = row.iter().find(formula);
            assert_eq!(found, None, "with {:?}", char::from(delimiter));
        }
    }
}

fn table(file: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(file);
    let rows = reader.deserialize();
    rows.collect::<Result<_, _>>().unwrap()
}

async fn formats(place: Place) {
    let world = World::new(place).await;
    world.fill("default", 7).await;
    world.fill("invoices", 4).await;
    for format in [Format::Csv, Format::Jsonl, Format::Evidence] {
        let (job, file) = world.export(request(format, &[])).await;
        checked(&job, &file);
        let (again, same) = world.export(request(format, &[])).await;
        assert_ne!(job.id, again.id);
        assert_eq!(file, same);
        let mut compressed = request(format, &[]);
        compressed.gzip = true;
        let (job, packed) = world.export(compressed).await;
        checked(&job, &packed);
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, file);
        let lines = std::str::from_utf8(&file).unwrap().lines().count();
        assert_eq!(lines, 11 + usize::from(format == Format::Csv));
    }
    world.end().await;
}

#[tokio::test]
async fn the_same_request_gives_the_same_bytes_in_a_directory() {
    formats(Place::Directory).await;
}

#[tokio::test]
async fn the_same_request_gives_the_same_bytes_in_s3() {
    formats(Place::S3).await;
}

#[tokio::test]
async fn only_what_was_there_and_what_was_asked_for() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 4).await;
    world.fill("invoices", 2).await;
    let job = world
        .ask(request(Format::Csv, &[("action", "invoice.*")]))
        .await;
    world.fill("default", 100).await;
    world.worker().catch_up().await.unwrap();
    let job = world.job(job.id).await;
    let rows = table(&world.file(&job).await);
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row["partition"].as_str(), row["seq"].as_str()))
        .collect();
    assert_eq!(
        found,
        [("default", "0"), ("default", "2"), ("invoices", "0")]
    );
    assert_eq!(
        (job.progress.rows, job.progress.scanned, job.total),
        (3, 6, 6)
    );

    let mut named = request(Format::Csv, &[]);
    named.partitions = vec!["invoices".to_owned()];
    let (job, file) = world.export(named).await;
    assert_eq!(table(&file).len(), 2);
    // The hash of the last entry is the chain's head.
    let partitions = world.ledger.partitions(&world.tenant).await.unwrap();
    let head = partitions
        .iter()
        .find(|chain| chain.partition == "invoices")
        .unwrap();
    assert_eq!(job.hashes, [Some(head.hash)]);
    world.end().await;
}

#[tokio::test]
async fn nothing_at_all_is_a_header() {
    let world = World::new(Place::Directory).await;
    let (job, file) = world.export(request(Format::Csv, &[])).await;
    assert_eq!(job.summary.unwrap().rows, 0);
    assert_eq!(file, format!("{}\r\n", COLUMNS.join(",")).as_bytes());
    world.end().await;
}

/// As they stand in JSON.
const RISKY: [&str; 12] = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\\tx",
    "\\r=1",
    "'=1;",
    "x;=HYPERLINK(A1);",
    "x;\\\"=1;\\\"",
    "x|+1",
    "x\\t@1",
    "x\\r\\n-1;=1",
];

#[tokio::test]
async fn every_member_has_its_cell_and_none_is_a_formula() {
    let world = World::new(Place::Directory).await;
    let posts = RISKY.map(|text| {
        format!(
            r#"{{"action":"a.b","action_version":2,"activity":"update","severity":"error","occurred_at":"2026-01-15T10:30:00Z",
            "actor":{{"type":"user","id":"{text}","name":"{text}","email":"{text}","metadata":{{"k":"{text}"}},"on_behalf_of":[{{"type":"user","id":"{text}"}}]}},
            "targets":[{{"type":"{text}","id":"{text}","name":"{text}"}},{{"type":"second","id":"2"}}],
            "outcome":{{"status":"failure","code":"{text}","reason":"{text}"}},
            "changes":[{{"field":"{text}","old":null,"new":"{text}"}}],
            "context":{{"ip":"{text}","user_agent":"{text}","session_id":"{text}","request_id":"{text}","trace_id":"{text}","span_id":"{text}","location":"{text}"}},
            "correlation_id":"{text}","causation_id":"{text}","description":"a \"quoted\"\n{text}, with a comma","labels":{{"l":"{text}"}},"metadata":{{"m":"{text}"}},
            "attachments":[{{"sha256":"{}","name":"{text}"}}]}}"#,
            "a".repeat(64)
        )
    });
    world.append("default", posts.to_vec()).await;
    let (_, file) = world.export(request(Format::Csv, &[])).await;
    let rows = table(&file);
    assert_eq!(rows.len(), RISKY.len());
    is_harmless(&file);
    for (row, text) in rows.iter().zip(RISKY) {
        let text: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
        for column in [
            "actor_id",
            "actor_name",
            "actor_email",
            "target_type",
            "target_id",
            "target_name",
            "outcome_code",
            "outcome_reason",
            "ip",
            "user_agent",
            "session_id",
            "request_id",
            "trace_id",
            "span_id",
            "location",
            "correlation_id",
            "causation_id",
        ] {
            assert_eq!(original(&row[column]), text, "{column}");
        }
        assert_eq!(
            original(&row["description"]),
            format!("a \"quoted\"\n{text}, with a comma")
        );
        let json = |column: &str| {
            serde_json::from_str::<serde_json::Value>(&original(&row[column])).unwrap()
        };
        assert_eq!(json("changes")[0]["new"], text);
        assert_eq!(json("targets")[1]["id"], "2");
        assert_eq!(json("labels")["l"], text);
        assert_eq!(json("metadata")["m"], text);
        assert_eq!(json("actor_metadata")["k"], text);
        assert_eq!(json("on_behalf_of")[0]["id"], text);
        assert_eq!(json("attachments")[0]["name"], text);
        assert_eq!(
            (row["action_version"].as_str(), row["outcome"].as_str()),
            ("2", "failure")
        );
        let empty = row
            .iter()
            .filter(|(_, cell)| cell.is_empty())
            .map(|(name, _)| name.as_str());
        assert_eq!(empty.collect::<Vec<_>>(), ["erased"]);
    }
    world.end().await;
}

#[tokio::test]
async fn who_may_not_see_personal_parts_gets_none() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 2).await;
    for format in [Format::Csv, Format::Jsonl] {
        let mut masked = request(format, &[]);
        masked.personal = false;
        let (_, file) = world.export(masked).await;
        let text = String::from_utf8(file).unwrap();
        assert!(text.contains("invoice.paid"));
        assert!(
            !text.contains("Ann") && !text.contains("192.0.2.7"),
            "{text}"
        );
    }
    world.end().await;
}

/// Third parties verify the evidence form with the format's own crate.
#[tokio::test]
async fn evidence_verifies_by_itself() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 5).await;
    let (job, file) = world.export(request(Format::Evidence, &[])).await;
    let chain = chain::Chain {
        origin: "audit.test".to_owned(),
        tenant: world.tenant.code.clone(),
        partition: "default".to_owned(),
        generation: 1,
    };
    let mut verifier = chain::verify::Verifier::new(chain);
    for line in file
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        verifier.line(line).unwrap();
    }
    let head = verifier.head().unwrap();
    assert_eq!((head.size, Some(head.hash)), (5, job.hashes[0]));
    world.end().await;
}
