//! Words and the grammar of `q`; what is matched against it, compared with a search that does nothing
//! clever.

use std::fmt::Write as _;

use chain::Mask;
use proptest::prelude::*;
use query::{Filter, MAX_LEAF, MAX_WORD, words};
use serde_json::{Value, json};

/// As a URL's query.
fn asked(q: &str) -> String {
    q.bytes().fold("q=".to_owned(), |mut query, byte| {
        write!(query, "%{byte:02x}").unwrap();
        query
    })
}

fn filter(q: &str) -> Filter {
    Filter::parse(&asked(q), &[]).unwrap().0
}

#[test]
fn text_becomes_words() {
    for (text, expected) in [
        ("", vec![]),
        (" .,-_/\u{0}\u{2028}", vec![]),
        (
            "The card, was DECLINED.",
            vec!["the", "card", "was", "declined"],
        ),
        ("INV-2026_001", vec!["inv", "2026", "001"]),
        ("ann@example.com", vec!["ann", "example", "com"]),
        (
            "Müller, ÉMILE Ærøskøbing straße",
            vec!["muller", "emile", "æroskobing", "straße"],
        ),
        // The same letters, with accents that stand alone.
        ("Mu\u{308}ller E\u{301}mile", vec!["muller", "emile"]),
        ("İstanbul ISTANBUL", vec!["istanbul", "istanbul"]),
        ("ΟΔΥΣΣΕΥΣ οδυσσευς", vec!["οδυσσευσ", "οδυσσευσ"]),
        ("東京abcから", vec!["東", "京", "abc", "か", "ら"]),
        ("서울에서 Привет", vec!["서울에서", "привет"]),
        ("١٢٣ ①", vec!["١٢٣", "①"]),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
    let long = "x".repeat(MAX_WORD + 10);
    assert_eq!(words(&long), [&long[..MAX_WORD]]);
    let mixed = format!("{}éX{}", "A".repeat(MAX_WORD - 2), "é1".repeat(10));
    assert_eq!(words(&mixed), [format!("{}ex", "a".repeat(MAX_WORD - 2))]);
}

proptest! {
    /// Words in lower case are not copied, others are.
    #[test]
    fn upper_case_gives_the_same_words(text in "([a-z]{0,70}|[é́ß東 .A1])*") {
        prop_assert_eq!(words(&text), words(&text.to_ascii_uppercase()));
    }
}

#[test]
fn the_grammar_is_words_phrases_exclusions_and_prefixes() {
    for (text, normalised) in [
        ("card", "card"),
        ("  Card   DECLINED  card", "card declined"),
        ("\"card was\" -refund inv*", "\"card was\" refund inv*"),
        ("-\"card was\"", "\"card was\""),
        ("a-b", "\"a b\""),
        ("\"one\"", "one"),
        ("what?", "what"),
        ("a/b/", "\"a b\""),
    ] {
        let shown = filter(text).text().unwrap().to_string();
        assert_eq!(shown.replace('-', ""), normalised, "{text}");
    }
    let many: Vec<_> = (0..33).map(|number| format!("w{number}")).collect();
    for refused in [
        "",
        " ",
        "\"",
        "\"open",
        "a\"b\"",
        "\"a\"b",
        "\"a*\"",
        "*",
        "*a",
        "-*",
        "a*b",
        "a**",
        "a-*",
        "x*",
        "foo-ba*",
        "-",
        "a - b",
        "...",
        "/inv.*/",
        "/a/",
        &many.join(" "),
        &"x ".repeat(600),
    ] {
        let faults = Filter::parse(&asked(refused), &[]).unwrap_err();
        assert_eq!(faults[0].path, "query.q", "{refused}");
    }
}

#[test]
fn words_of_the_event_and_of_what_the_reader_may_see() {
    let event = json!({
        "action": "invoice.paid", "actor": {"id": "u-1", "type": "user"}, "id": "0199c3a1-7c00-7000-8000-000000000001",
        "labels": {"tier": "gold"}, "recorded_by": "service:0197",
    })
    .to_string();
    let parts = json!({
        "actor": {"name": "Ann Müller"}, "changes": [{"field": "limit", "old": 12.5, "new": true}],
        "description": "first text", "metadata": {"id": "kept", "deep": [[{"x": "very deep"}]], "none": null},
    })
    .to_string();
    for (q, everybody, viewer) in [
        ("invoice", true, true),
        ("gold u-1", true, true),
        ("0199c3a1", false, false),
        ("tier", false, false),
        ("muller", true, false),
        ("-muller", false, true),
        ("\"ann muller\" paid", true, false),
        // Two texts are no phrase.
        ("\"text very\"", false, false),
        ("\"muller first\"", false, false),
        ("12.5", true, false),
        ("kept \"very deep\"", true, false),
        ("inv* mul*", true, false),
        ("true", false, false),
    ] {
        let holds = |mask| filter(q).matches(&event, Some(&parts), mask).unwrap();
        assert_eq!(holds(Mask::Nothing), everybody, "{q}");
        assert_eq!(holds(Mask::Personal), viewer, "{q}");
    }
    let personal = Filter::parse("field=limit", &[]).unwrap().0;
    assert!(
        personal
            .matches(&event, Some(&parts), Mask::Nothing)
            .unwrap()
    );
    assert!(
        !personal
            .matches(&event, Some(&parts), Mask::Personal)
            .unwrap()
    );
}

#[test]
fn what_is_beyond_the_bound_of_one_text_is_not_looked_at() {
    let event =
        json!({"action": "a", "actor": {"id": "x", "type": "job"}, "recorded_by": "user:1"});
    let text = format!("{} last", "é ".repeat(MAX_LEAF));
    let parts = json!({"description": text, "metadata": {"other": "beside"}}).to_string();
    let holds = |q| filter(q).matches(&event.to_string(), Some(&parts), Mask::Nothing);
    assert!(!holds("last").unwrap());
    assert!(holds("e beside").unwrap());
    assert!(
        filter("a")
            .matches("{\"action\":", None, Mask::Nothing)
            .is_err()
    );
    assert!(filter("a").matches("{} {}", None, Mask::Nothing).is_err());
    // What decides is enough.
    for (q, decided) in [
        ("first", Some(true)),
        ("-first", Some(false)),
        ("-last", None),
    ] {
        let holds = filter(q).matches("{\"a\":\"first\",", None, Mask::Nothing);
        assert_eq!(holds.ok(), decided, "{q}");
    }
}

/// What stands between separators, in each text.
fn plain(leaves: &[String]) -> Vec<Vec<&str>> {
    leaves
        .iter()
        .map(|leaf| leaf.split(' ').filter(|word| !word.is_empty()).collect())
        .collect()
}

proptest! {
    #[test]
    fn agrees_with_a_plain_search(
        leaves in prop::collection::vec("[abc]{0,2}( [abc]{1,2}){0,4}", 1..4),
        clauses_asked in prop::collection::vec((any::<bool>(), 0..3_u8, prop::collection::vec("[abc]{1,2}", 1..3)), 1..4),
    ) {
        let texts = plain(&leaves);
        let mut clauses = Vec::new();
        let mut expected = true;
        for (not, form, words) in &clauses_asked {
            let minus = if *not { "-" } else { "" };
            let holds = match form {
                0 => {
                    clauses.push(format!("{minus}{}", words[0]));
                    texts.iter().flatten().any(|word| *word == words[0])
                }
                1 => {
                    clauses.push(format!("{minus}\"{}\"", words.join(" ")));
                    texts.iter().any(|text| text.windows(words.len()).any(|w| w == words.as_slice()))
                }
                _ => {
                    clauses.push(format!("{minus}a{}*", words[0]));
                    let prefix = format!("a{}", words[0]);
                    texts.iter().flatten().any(|word| word.starts_with(&prefix))
                }
            };
            expected &= holds != *not;
        }
        let event = json!({"action": "-", "actor": {"id": "-", "type": "-"}, "recorded_by": "-", "correlation_id": "-"});
        let parts: Value = leaves.iter().enumerate().map(|(n, leaf)| (n.to_string(), json!(leaf))).collect::<serde_json::Map<_, _>>().into();
        let filter = filter(&clauses.join(" "));
        let holds = filter.matches(&event.to_string(), Some(&parts.to_string()), Mask::Nothing).unwrap();
        prop_assert_eq!(holds, expected, "{:?}", clauses);
    }

    #[test]
    fn the_tokeniser_takes_anything_and_is_its_own_normal_form(text in any::<String>()) {
        let words = words(&text);
        for word in &words {
            prop_assert!(!word.is_empty() && word.chars().count() <= MAX_WORD);
            prop_assert!(!word.contains(char::is_whitespace));
            prop_assert_eq!(&query::words(word), &vec![word.clone()]);
        }
    }

    #[test]
    fn the_grammar_takes_anything(text in any::<String>()) {
        if let Ok((filter, _)) = Filter::parse(&asked(&text), &[]) {
            // What is normalised is the same question.
            let shown = filter.text().unwrap().to_string();
            if shown.len() <= 1024 {
                prop_assert_eq!(Filter::parse(&asked(&shown), &[]).unwrap().0, filter);
            }
        }
    }
}
