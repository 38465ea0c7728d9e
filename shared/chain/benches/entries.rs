//! What one core does with 1,000 entries: from posted bytes to linked hashes, and from columns to what readers get.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::fmt::Write;
use std::hint::black_box;

use chain::{Chain, Head, Mask, Recorder, Salt, Stored, Timestamp, parse_bulk};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use uuid::Uuid;

const ENTRIES: usize = 1_000;
const RECORDER: Recorder<'_> = Recorder {
    kind: "service",
    id: "0197a1c2-7c3e-7b4a-9d21-5e6f70819203",
};

/// Entries of about 700 bytes with four or five parts, as a billing back end posts them.
fn body() -> String {
    let mut body = String::from(r#"{"entries":["#);
    for n in 0..ENTRIES {
        let comma = if n > 0 { "," } else { "" };
        let id = Uuid::from_u128(0x0197_a1c2_7c3e_7b4a_9d21_0000_0000_0000 + n as u128);
        let second = n % 60;
        write!(
            body,
            r#"{comma}{{"id":"{id}","occurred_at":"2026-01-15T11:29:{second:02}.123456+01:00","action":"invoice.line-item.update","action_version":2,"activity":"update","actor":{{"type":"user","id":"u-{n}","name":"Zoë Example {n}","email":"zoe.{n}@example.com"}},"targets":[{{"type":"invoice","id":"inv-{n}","name":"Invoice {n}"}}],"outcome":{{"status":"success"}},"changes":[{{"field":"line[3].amount","old":12.5,"new":14}}],"context":{{"ip":"192.0.2.{second}","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0","request_id":"req-{n}"}},"correlation_id":"corr-{n}","labels":{{"env":"prod","region":"eu-central-1"}}"#
        )
        .unwrap();
        if n % 2 == 0 {
            write!(
                body,
                r#","metadata":{{"source":"web","tags":["a","b"],"retries":{second}}}"#
            )
            .unwrap();
        }
        body.push('}');
    }
    body.push_str("]}");
    body
}

fn chain() -> Chain {
    Chain {
        origin: "audit.example.com".to_owned(),
        tenant: "acme".to_owned(),
        partition: "default".to_owned(),
        generation: 1,
    }
}

fn received_at() -> Timestamp {
    Timestamp::from_micros(1_768_473_000_000_000).unwrap()
}

/// The entries as they are kept.
fn stored() -> Vec<Stored> {
    let parsed = parse_bulk(body().as_bytes(), RECORDER, ENTRIES, Uuid::max).unwrap();
    let (chain, mut head) = (chain(), Head::empty(&chain()));
    let stored = parsed.iter().map(|entry| {
        let link = head.link(&chain.tenant, entry, Salt([7; 16]), received_at());
        Stored::new(&chain, entry, &link)
    });
    stored.collect()
}

fn append(c: &mut Criterion) {
    let body = body();
    let parsed = parse_bulk(body.as_bytes(), RECORDER, ENTRIES, Uuid::max).unwrap();
    let received_at = received_at();
    let start = Head::empty(&chain());
    let mut group = c.benchmark_group("bulk of 1,000");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("parse", |b| {
        b.iter(|| parse_bulk(black_box(body.as_bytes()), RECORDER, ENTRIES, Uuid::max).unwrap());
    });
    group.bench_function("link", |b| {
        b.iter(|| {
            let mut head = start;
            for entry in &parsed {
                head.link("acme", black_box(entry), Salt([7; 16]), received_at);
            }
            head
        });
    });
    group.bench_function("parse and link", |b| {
        b.iter(|| {
            let mut head = start;
            let entries = parse_bulk(black_box(body.as_bytes()), RECORDER, ENTRIES, Uuid::max);
            for entry in &entries.unwrap() {
                head.link("acme", entry, Salt([7; 16]), received_at);
            }
            head
        });
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let stored = stored();
    let mut group = c.benchmark_group("1,000 entries");
    group.throughput(Throughput::Elements(ENTRIES as u64));
    group.bench_function("reading form", |b| {
        let mut out = String::new();
        b.iter(|| {
            out.clear();
            for entry in black_box(&stored) {
                entry.push_reading_form(&mut out, Mask::Nothing).unwrap();
            }
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, append, read);
criterion_main!(benches);
