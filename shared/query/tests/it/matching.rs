//! Matching, against a second implementation that walks a tree, and case by case.

use chain::{Mask, Timestamp};
use proptest::prelude::*;
use query::{Document, Filter, Kept, Keyword, Question};
use serde_json::{Value, json};

fn filter(query: &str) -> Filter {
    Question::parse(query).unwrap().filter
}

fn event() -> Value {
    json!({
        "action": "invoice.paid",
        "activity": "update",
        "actor": {"id": "u\u{2028}\"1", "type": "user"},
        "correlation_id": "c-1",
        "id": "0199c3a1-7c00-7000-8000-000000000001",
        "labels": {"region": "eu", "tier": "gold"},
        "outcome": {"status": "success"},
        "recorded_by": "service:0197",
        "targets": [{"id": "i-1", "type": "invoice"}, {"id": "c-9", "type": "customer"}],
    })
}

fn parts() -> Value {
    json!({
        "changes": [{"field": "status", "new": "paid"}, {"field": "paid_at"}],
        "context": {"ip": "::ffff:192.0.2.7", "request_id": "r-1", "session_id": "s-1"},
        "description": "x",
        "metadata": {
            "Build Info": {"commit.sha": "a=b", "ok": true, "none": null, "tags": ["one", ["two", {"deep": 3}]]},
            "size": 12.50, "large": 1e21, "a=b": "c", "empty": "", "": {"inner": "x"},
        },
    })
}

#[test]
fn each_condition_holds_or_does_not() {
    let (event, parts) = (event().to_string(), parts().to_string());
    for (query, expected) in [
        ("", true),
        ("action=invoice.paid", true),
        ("action=invoice.*", true),
        ("action=invoice", false),
        ("action=inv.*", false),
        ("action=invoice.paid.*", false),
        ("activity=update", true),
        ("activity=read", false),
        ("severity=info", true),
        ("severity=error", false),
        ("outcome=success", true),
        ("outcome=failure", false),
        ("actor_id=u%E2%80%A8%221", true),
        ("actor_id=u", false),
        ("actor_type=user", true),
        ("actor_type=job", false),
        ("recorded_by=service:0197", true),
        ("recorded_by=service", false),
        ("correlation_id=c-1", true),
        ("correlation_id=c", false),
        ("target_type=customer", true),
        ("target_id=i-1", true),
        ("target_type=invoice&target_id=i-1", true),
        ("target_type=customer&target_id=i-1", false),
        ("label.region=eu", true),
        ("label.region=eu&label.tier=gold", true),
        ("label.region=eu&label.tier=iron", false),
        ("label.country=eu", false),
        ("ip=192.0.2.7", true),
        ("ip=::ffff:c000:207", true),
        ("ip=192.0.2.8", false),
        ("request_id=r-1&session_id=s-1", true),
        ("session_id=s-2", false),
        ("field=paid_at", true),
        ("field=paid", false),
        ("metadata.size=12.5", true),
        ("metadata.size=12.50", false),
        ("metadata.size=12", false),
        ("metadata.large=1000000000000000000000", true),
        ("metadata.Build%20Info.commit.sha=a%3Db", true),
        ("metadata.Build+Info.ok=true", true),
        ("metadata.Build+Info.ok=false", false),
        ("metadata.build+info.ok=true", false),
        ("metadata.Build+Info.none=null", false),
        ("metadata.Build+Info.tags=one", true),
        ("metadata.Build+Info.tags=two", true),
        ("metadata.Build+Info.tags.deep=3", true),
        ("metadata.Build+Info=one", false),
        ("metadata.ok=true", false),
        ("metadata.inner=x", true),
        ("metadata.size=12.5&metadata.Build+Info.tags=two", true),
        ("metadata.size=12.5&metadata.Build+Info.tags=three", false),
        ("metadata.size=12.5&session_id=s-2", false),
        ("action=invoice.paid&field=status", true),
        ("action=invoice.sent&field=status", false),
        ("partition=other", true),
        ("from=2026-01-01T00:00:00Z", true),
    ] {
        let holds = filter(query)
            .matches(&event, Some(&parts), Mask::Nothing)
            .unwrap();
        assert_eq!(holds, expected, "{query}");
    }
}

#[test]
fn what_is_not_there_does_not_hold() {
    let bare = r#"{"action":"a","actor":{"id":"x","type":"job"},"id":"…","recorded_by":"user:1"}"#;
    for query in [
        "activity=other",
        "outcome=unknown",
        "correlation_id=c",
        "target_id=t",
        "label.a=b",
        "ip=192.0.2.7",
        "field=f",
        "request_id=r",
        "session_id=s",
        "metadata.a=b",
    ] {
        assert!(
            !filter(query).matches(bare, None, Mask::Nothing).unwrap(),
            "{query}"
        );
        assert!(
            !filter(query)
                .matches(bare, Some("{}"), Mask::Nothing)
                .unwrap(),
            "{query}"
        );
    }
    assert!(
        filter("severity=info")
            .matches(bare, None, Mask::Nothing)
            .unwrap()
    );
}

#[test]
fn an_ip_that_is_no_address_is_text() {
    let event = event().to_string();
    let parts = r#"{"context":{"ip":"192.0.2.007, proxy"}}"#;
    assert!(
        filter("ip=192.0.2.007,+proxy")
            .matches(&event, Some(parts), Mask::Nothing)
            .unwrap()
    );
    assert!(
        !filter("ip=192.0.2.7")
            .matches(&event, Some(parts), Mask::Nothing)
            .unwrap()
    );
}

/// Each value has the whole path, so a small entry can have very many bytes of them.
#[test]
fn of_metadata_the_first_paths_and_values_count() {
    let name = "n".repeat(250);
    let values: Vec<_> = (0..10_000).map(|number| json!(number)).collect();
    let parts = json!({"metadata": {name.clone(): values}}).to_string();
    let event = event().to_string();
    let count = (0..10_000)
        .take_while(|number| {
            filter(&format!("metadata.{name}={number}"))
                .matches(&event, Some(&parts), Mask::Nothing)
                .unwrap()
        })
        .count();
    assert!((225..235).contains(&count), "{count}");
    let kept = Kept {
        partition: "default",
        generation: 1,
        seq: 0,
        received_at: Timestamp::FIRST,
        event: &event,
        parts: Some(&parts),
        residue: None,
    };
    let document = Document::of(kept).unwrap();
    let keywords = document.keywords.iter();
    let values = keywords.filter(|(keyword, _)| *keyword == Keyword::Metadata);
    assert_eq!(values.count(), count, "an index has as many");
}

#[test]
fn conditions_on_personal_parts_are_known_as_such() {
    for (query, expected) in [
        ("ip=::1", Some("ip")),
        ("field=a&actor_id=b", Some("field")),
        ("actor_id=b&metadata.a.b=c", Some("metadata.a.b")),
        ("actor_id=b", None),
    ] {
        assert_eq!(filter(query).personal(), expected);
    }
}

#[test]
fn a_forged_text_is_an_error_and_no_panic() {
    let filter = filter("action=a&ip=::1");
    for forged in [
        "",
        "{",
        "[]",
        "null",
        r#"{"action":1}"#,
        "\u{0}",
        r#"{"action":"\ud800"}"#,
    ] {
        assert!(
            filter.matches(forged, None, Mask::Nothing).is_err(),
            "{forged}"
        );
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(
        filter
            .matches(&format!(r#"{{"labels":{deep}}}"#), None, Mask::Nothing)
            .is_err()
    );
}

/// The same rules on a tree.
fn expected(asked: &[(String, String)], event: &Value, parts: &Value) -> bool {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let targets = event["targets"].as_array().cloned().unwrap_or_default();
    let of = |name: &str| {
        asked
            .iter()
            .find(|(asked, _)| asked == name)
            .map(|(_, value)| value.clone())
    };
    asked.iter().all(|(name, value)| {
        let value = Some(value.clone());
        match name.as_str() {
            "action" | "correlation_id" => text(&event[name]) == value,
            "severity" => text(&event[name]).or(Some("info".into())) == value,
            "actor_id" => text(&event["actor"]["id"]) == value,
            "target_id" | "target_type" => targets.iter().any(|target| {
                of("target_id").is_none_or(|id| text(&target["id"]) == Some(id))
                    && of("target_type").is_none_or(|kind| text(&target["type"]) == Some(kind))
            }),
            "session_id" => text(&parts["context"]["session_id"]) == value,
            "field" => parts["changes"].as_array().is_some_and(|changes| {
                changes.iter().any(|change| text(&change["field"]) == value)
            }),
            "metadata.a.b" => {
                text(&parts["metadata"]["a"]["b"]) == value
                    || text(&parts["metadata"]["a.b"]) == value
            }
            label => text(&event["labels"][label.strip_prefix("label.").unwrap()]) == value,
        }
    })
}

proptest! {
    #[test]
    fn agrees_with_a_walk_over_the_tree(
        words in proptest::collection::vec("[ab]", 13),
        severity in prop::option::of(prop::sample::select(vec!["info", "error"])),
        names in prop::sample::subsequence(
            vec!["action", "correlation_id", "severity", "actor_id", "target_id", "target_type", "session_id", "field", "label.x", "metadata.a.b"],
            1..4,
        ),
        asked in proptest::collection::vec("[ab]", 10),
    ) {
        let word = |index: usize| Value::from(words[index].clone());
        let mut event = json!({
            "action": word(0), "actor": {"id": word(1), "type": "user"}, "correlation_id": word(2), "id": "…",
            "labels": {"x": word(3)}, "recorded_by": "user:1",
            "targets": [{"id": word(4), "type": word(5)}, {"id": word(6), "type": word(7)}],
        });
        if let Some(severity) = severity {
            event["severity"] = severity.into();
        }
        let parts = json!({"changes": [{"field": word(8)}, {"field": word(9)}], "context": {"session_id": word(10)},
            "metadata": {"a": {"b": word(11)}, "a.b": word(12)}});
        let asked: Vec<(String, String)> = names
            .iter()
            .zip(asked)
            .map(|(name, value)| match *name {
                "severity" => ("severity".to_owned(), if value == "a" { "info" } else { "error" }.to_owned()),
                name => (name.to_owned(), value),
            })
            .collect();
        let query: Vec<String> = asked.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let holds = filter(&query.join("&")).matches(&event.to_string(), Some(&parts.to_string()), Mask::Nothing).unwrap();
        prop_assert_eq!(holds, expected(&asked, &event, &parts), "{:?}", query);
    }
}
