//! The bytes follow from the entries alone, however many come at a time.

use chain::{Chain, Entry, Head, Recorder, Salt, Stored, Timestamp};
use export::{File, Format, Request};
use proptest::prelude::*;
use query::Filter;
use uuid::Uuid;

fn entries(count: u8) -> Vec<Stored> {
    let chain = Chain {
        origin: "audit.test".to_owned(),
        tenant: "acme".to_owned(),
        partition: "default".to_owned(),
        generation: 1,
    };
    let mut head = Head::empty(&chain);
    let recorder = Recorder {
        kind: "service",
        id: "tests",
    };
    let entry = |number: u8| {
        let posted = format!(
            r#"{{"action":"a.b","actor":{{"type":"user","id":"u{number}","name":"Ann"}},"description":"{}"}}"#,
            "long ".repeat(usize::from(number) * 40)
        );
        let id = Uuid::from_u128(u128::from(number));
        Entry::parse(posted.as_bytes(), recorder, id).unwrap()
    };
    (0..count)
        .map(|number| {
            let entry = entry(number);
            let now = Timestamp::from_micros(i64::from(number)).unwrap();
            let link = head.link(&chain.tenant, &entry, Salt([number; 16]), now);
            Stored::new(&chain, &entry, &link)
        })
        .collect()
}

fn written(request: &Request, entries: &[Stored], page: usize) -> (Vec<u8>, export::Summary) {
    let mut file = File::begin(request);
    let mut bytes = Vec::new();
    for page in entries.chunks(page) {
        file.add(page.iter()).unwrap();
        bytes.extend_from_slice(&file.take().unwrap());
    }
    let (rest, summary) = file.end().unwrap();
    bytes.extend_from_slice(&rest);
    (bytes, summary)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn pages_do_not_show(page in 1_usize..40, format in 0..3_usize, gzip: bool) {
        let request = Request {
            format: [Format::Csv, Format::Jsonl, Format::Evidence][format],
            gzip,
            partitions: Vec::new(),
            filter: Filter::default(),
            personal: true,
        };
        let entries = entries(120);
        let (whole, summary) = written(&request, &entries, entries.len());
        prop_assert_eq!(summary.rows, 120);
        prop_assert_eq!(summary.bytes, whole.len() as u64);
        prop_assert_eq!(written(&request, &entries, page), (whole, summary));
    }
}

#[test]
fn a_request_is_kept_as_it_was_asked() {
    let request = Request {
        format: Format::Evidence,
        gzip: true,
        partitions: vec!["a".to_owned(), "b".to_owned()],
        filter: Filter::of_terms([
            ("action", "invoice.*"),
            ("ip", "192.0.2.7"),
            ("label.env", "prod"),
        ])
        .unwrap(),
        personal: true,
    };
    let kept = serde_json::to_value(&request).unwrap();
    assert_eq!(serde_json::from_value::<Request>(kept).unwrap(), request);
}
