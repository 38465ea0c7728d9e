//! Verification on one core, from evidence lines and from rows, beside SHA-256 over the same canonical text. Throughput
//! is in bytes of canonical text, so the ratio of two of them is that of `make bench`.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::hint::black_box;

use chain::verify::Verifier;
use chain::{Chain, Entry, Head, Recorder, Salt, Stored, Timestamp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// As many as stay in the cache of one core, so that memory is no part of the measure.
const ENTRIES: u32 = 100;

const RECORDER: Recorder<'_> = Recorder {
    kind: "service",
    id: "0197a1c2-7c3e-7b4a-9d21-5e6f70819203",
};

/// The entry that `make bench` posts, with five parts and 1,300 bytes of canonical text.
fn posted(number: u32) -> String {
    format!(
        concat!(
            r#"{{"partition":"default","action":"invoice.approved","activity":"update","#,
            r#""actor":{{"type":"user","id":"u-4711","name":"Ada Example","#,
            r#""email":"ada@example.com"}},"#,
            r#""targets":[{{"type":"invoice","id":"inv-{number:08}","name":"Invoice of March"}}],"#,
            r#""occurred_at":"2026-01-15T10:30:00.123456Z","outcome":{{"status":"success"}},"#,
            r#""changes":[{{"field":"status","old":"draft","new":"approved"}}],"#,
            r#""context":{{"ip":"192.0.2.17","user_agent":"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0","#,
            r#""request_id":"req-{number:08}"}},"correlation_id":"order-{number:08}","#,
            r#""labels":{{"region":"eu-central-1","service":"billing"}},"#,
            r#""metadata":{{"amount":"129.90","currency":"EUR","note":"approved in the monthly run"}}}}"#,
        ),
        number = number,
    )
}

fn chain() -> Chain {
    Chain {
        origin: "audit.example.com".to_owned(),
        tenant: "acme".to_owned(),
        partition: "default".to_owned(),
        generation: 1,
    }
}

fn rows() -> Vec<Stored> {
    let mut head = Head::empty(&chain());
    let row = |number| {
        let id = Uuid::from_u128(0x0197_a1c2_7c3e_7b4a_9d21_0000_0000_0000 + u128::from(number));
        let entry = Entry::parse(posted(number).as_bytes(), RECORDER, id).unwrap();
        let received_at = 1_768_473_000_000_000 + i64::from(number) * 137;
        let received_at = Timestamp::from_micros(received_at).unwrap();
        let salt = Salt(*Sha256::digest(number.to_le_bytes()).first_chunk().unwrap());
        let link = head.link("acme", &entry, salt, received_at);
        Stored::new(&chain(), &entry, &link)
    };
    (0..ENTRIES).map(row).collect()
}

/// The documents and the texts of the parts, from evidence lines.
fn canonical_text(lines: &[String]) -> String {
    let mut canonical = String::new();
    for line in lines {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        canonical.push_str(line["document"].as_str().unwrap());
        for part in line["parts"].as_object().unwrap().values() {
            canonical.push_str(part["text"].as_str().unwrap());
        }
    }
    canonical
}

fn verify(c: &mut Criterion) {
    let rows = rows();
    let form = |row: &Stored| row.evidence_form().unwrap();
    let lines: Vec<String> = rows.iter().map(form).collect();
    // Read by the strict reader, as everything is that somebody else wrote.
    let spaced = |line: &String| line.replacen(':', ": ", 1);
    let spaced: Vec<String> = lines.iter().map(spaced).collect();
    let canonical = canonical_text(&lines);

    let mut group = c.benchmark_group("verification");
    group.throughput(Throughput::Bytes(canonical.len() as u64));
    group.bench_function("sha-256 of the canonical text", |b| {
        b.iter(|| Sha256::digest(black_box(&canonical)));
    });
    for (name, lines) in [
        ("evidence lines", &lines),
        ("evidence lines with white space", &spaced),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut verifier = Verifier::new(chain());
                for line in lines {
                    verifier.line(black_box(line.as_bytes())).unwrap();
                }
            });
        });
    }
    group.bench_function("rows", |b| {
        b.iter(|| {
            let mut verifier = Verifier::new(chain());
            for row in &rows {
                verifier.row(black_box(row)).unwrap();
            }
        });
    });
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
