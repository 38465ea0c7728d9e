//! Posts of any shape, and input of no shape at all.

mod posts;

use chain::verify::Verifier;
use chain::{Chain, Entry, Head, Mask, Salt, Stored, Timestamp, parse_bulk};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::posts::{data, post};
use crate::entries::{Case, erase};
use crate::rejected::{self, RECORDER};
use crate::vectors;

fn chain() -> Chain {
    Chain {
        origin: "audit.example.com".to_owned(),
        tenant: "acme".to_owned(),
        partition: "default".to_owned(),
        generation: 1,
    }
}

fn store(entry: &Entry) -> Stored {
    let link = Head::empty(&chain()).link("acme", entry, Salt([5; 16]), Timestamp::FIRST);
    Stored::new(&chain(), entry, &link)
}

fn parse(posted: &Value) -> Entry {
    Entry::parse(posted.to_string().as_bytes(), RECORDER, Uuid::from_u128(1)).unwrap()
}

/// The names of the parts.
fn parts(stored: &Stored) -> Vec<String> {
    let parts = stored.parts.as_deref().unwrap_or("{}");
    let parts: Map<String, Value> = serde_json::from_str(parts).unwrap();
    parts.into_iter().map(|(name, _)| name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is given out can be posted again and comes to the same: splitting and putting together are inverse.
    #[test]
    fn the_reading_form_posted_again_is_the_same_entry(post in post()) {
        let entry = parse(&post);
        let stored = store(&entry);
        prop_assert_eq!(stored.check(), Ok(()));
        let reading_form = stored.reading_form(Mask::Nothing).unwrap();
        let mut again: Map<String, Value> = serde_json::from_str(&reading_form).unwrap();
        for added in ["recorded_by", "tenant", "seq", "received_at", "hash", "previous"] {
            prop_assert!(again.remove(added).is_some());
        }
        let again = parse(&Value::Object(again));
        prop_assert_eq!(again.event(), entry.event());
        prop_assert_eq!(again.parts(), entry.parts());
        prop_assert!(again.same_content(&stored));
    }

    /// All texts are canonical as a general library understands RFC 8785.
    #[test]
    fn texts_are_canonical(post in post()) {
        let stored = store(&parse(&post));
        let evidence = stored.evidence_form().unwrap();
        let reading_form = stored.reading_form(Mask::Nothing).unwrap();
        let texts = [&stored.event, &stored.document().unwrap(), &evidence, &reading_form];
        for text in texts.into_iter().chain(&stored.parts) {
            let value: Value = serde_json::from_str(text).unwrap();
            prop_assert_eq!(text, &serde_json_canonicalizer::to_string(&value).unwrap());
        }
    }

    #[test]
    fn data_is_kept_as_it_is(data in data()) {
        let entry = parse(&json!({"action": "a", "metadata": {"data": data}}));
        let expected = json!({"metadata": {"data": data}});
        prop_assert_eq!(entry.parts().unwrap(), serde_json_canonicalizer::to_string(&expected).unwrap());
    }

    /// Whatever is erased, the entry still verifies, says what is gone, and keeps its hash.
    #[test]
    fn any_erasure_verifies(post in post(), gone in any::<u64>()) {
        let stored = store(&parse(&post));
        let names = parts(&stored);
        let gone: Vec<&str> = names.iter().enumerate()
            .filter(|(index, _)| gone >> (index % 64) & 1 == 1)
            .map(|(_, name)| name.as_str())
            .collect();
        prop_assume!(!gone.is_empty());
        let after = erase(&stored, &gone);
        let mut verifier = Verifier::new(chain());
        prop_assert_eq!(&verifier.row(&after).unwrap().withheld, &gone);
        let line = after.evidence_form().unwrap();
        prop_assert_eq!(&Verifier::new(chain()).line(line.as_bytes()).unwrap().withheld, &gone);
        prop_assert!(parse(&post).same_content(&after));
        let reading_form: Value = serde_json::from_str(&after.reading_form(Mask::Nothing).unwrap()).unwrap();
        prop_assert_eq!(&reading_form["erased"], &json!(gone));
    }

    /// A number keeps its value or becomes the string of its characters, however it is written.
    #[test]
    fn numbers_by_value(mantissa in 1_u64..1 << 53, power in -300_i32..280, shift in 0_i32..20) {
        let number: f64 = format!("{mantissa}e{power}").parse().unwrap();
        let shortest = serde_json_canonicalizer::to_string(&number).unwrap();
        let (digits, exponent) = scientific(&shortest);
        let zeros = "0".repeat(usize::try_from(shift).unwrap());
        for same in [
            format!("{digits}{zeros}e{}", exponent - shift),
            format!("{digits}{zeros}.000E{:+}", exponent - shift),
            format!("0.{zeros}{digits}e{}", exponent + shift + i32::try_from(digits.len()).unwrap()),
        ] {
            prop_assert_eq!(as_data(&same), &*shortest, "{}", same);
        }
        let finer = format!("{digits}{}1e{}", "0".repeat(29), exponent - 30);
        prop_assert_eq!(as_data(&finer), format!("\"{finer}\""));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        try_all(&bytes);
    }

    #[test]
    fn no_json_like_text_panics(text in "[\\[\\]{}:,\"\\\\ueE+.0-9a-z -]{0,60}") {
        try_all(text.as_bytes());
    }
}

/// Digits and power of ten of a number above zero, as RFC 8785 writes it.
fn scientific(text: &str) -> (String, i32) {
    let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}")
        .trim_start_matches('0')
        .to_owned();
    let power: i32 = power.parse().unwrap();
    (digits, power - i32::try_from(fraction.len()).unwrap())
}

/// What becomes of a number in metadata.
fn as_data(number: &str) -> String {
    let posted = format!(r#"{{"action":"a","metadata":{{"n":{number}}}}}"#);
    let entry = Entry::parse(posted.as_bytes(), RECORDER, Uuid::nil()).unwrap();
    let parts = entry.parts().unwrap();
    parts[r#"{"metadata":{"n":"#.len()..parts.len() - 2].to_owned()
}

/// Everything that takes input from outside, on the same bytes. What it says does not matter here.
fn try_all(bytes: &[u8]) {
    let _ = Entry::parse(bytes, RECORDER, Uuid::nil());
    let _ = parse_bulk(bytes, RECORDER, 10, Uuid::nil);
    let _ = Verifier::new(chain()).line(bytes);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let _ = text.parse::<Timestamp>();
    let row = store(&parse(&json!({"action": "a", "description": "x"})));
    for spoiled in [
        Stored {
            event: text.clone(),
            ..row.clone()
        },
        Stored {
            parts: Some(text.clone()),
            ..row.clone()
        },
        Stored {
            residue: Some(text.clone()),
            ..row.clone()
        },
        Stored {
            residue: Some(text),
            salt: None,
            ..row.clone()
        },
    ] {
        let _ = spoiled.check();
        let _ = spoiled.document();
        let _ = spoiled.evidence_form();
        let _ = spoiled.reading_form(Mask::Nothing);
        let _ = spoiled.erase(&["description"]);
        let _ = parse(&json!({"action": "a"})).same_content(&spoiled);
    }
}

/// Cut off at each byte, and with each byte replaced by one that JSON gives a meaning.
#[test]
fn cut_off_and_changed_posts_do_not_panic() {
    let cases: Vec<Case> = vectors::json("entries.json");
    let short: Vec<String> = cases
        .iter()
        .map(Case::posted)
        .filter(|posted| posted.len() < 2_000)
        .collect();
    assert!(short.len() > 100);
    for posted in short.iter().step_by(5) {
        for at in 0..posted.len() {
            let cut = &posted.as_bytes()[..at];
            if !posted.as_bytes()[at..].iter().all(u8::is_ascii_whitespace) {
                Entry::parse(cut, RECORDER, Uuid::nil()).unwrap_err();
            }
            for byte in *b"\"\\{}[],:0" {
                let mut changed = posted.clone().into_bytes();
                changed[at] = byte;
                let _ = Entry::parse(&changed, RECORDER, Uuid::nil());
            }
        }
    }
    for case in &vectors::json::<Vec<rejected::Case>>("rejected.json") {
        try_all(&case.posted());
    }
}

#[test]
fn lines_cut_off_anywhere_are_refused() {
    let case: Vec<Case> = vectors::json("entries.json");
    let case = case
        .iter()
        .find(|case| case.name == "every member")
        .unwrap();
    let line = case.stored().evidence_form().unwrap();
    for at in 0..line.len() {
        let mut verifier = Verifier::starting_at(case.server.chain(), case.server.seq);
        verifier.line(&line.as_bytes()[..at]).unwrap_err();
    }
}

/// Neither depth nor length of what is posted uses up stack, memory or time out of proportion.
#[test]
fn nesting_and_numbers_of_any_size() {
    let faults = |metadata: &str| {
        let posted = format!(r#"{{"action":"a","metadata":{{"n":{metadata}}}}}"#);
        let entry = Entry::parse(posted.as_bytes(), RECORDER, Uuid::nil());
        entry.err().map(|faults| faults[0].pointer.clone())
    };
    let deep = 1_000_000;
    assert_eq!(faults(&"[".repeat(deep)), Some(String::new()));
    assert_eq!(faults(&"{\"a\":".repeat(deep)), Some(String::new()));
    let balanced = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    assert!(faults(&balanced).unwrap().starts_with("/metadata/n/0"));
    let crossed = format!("{}{}", "[".repeat(deep), "}".repeat(deep));
    assert_eq!(faults(&crossed), Some(String::new()));
    let digits = "9".repeat(deep);
    assert_eq!(faults(&digits), Some(String::new()));
    for number in [
        format!("1e{digits}"),
        format!("1e-{digits}"),
        format!("0e{digits}"),
        format!("0.{}1", "0".repeat(deep)),
        format!("{digits}e-{deep}"),
        format!("[{}1]", "1e20,".repeat(deep / 2)),
    ] {
        let expected = if number.starts_with("0e") {
            None
        } else {
            Some(String::new())
        };
        let found = faults(&number);
        assert_eq!(found, expected, "{} characters", number.len());
    }
    assert_eq!(
        as_data(&format!("1{}e-{}", "0".repeat(200_000), 200_000)),
        "1"
    );
    assert_eq!(as_data(&format!("0.{}1e200001", "0".repeat(200_000))), "1");
}
