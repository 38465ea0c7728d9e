//! Reading questions: what is taken, and which place a refusal names.

use query::{Cursor, MAX_CONDITIONS, Order, Question, Remaining};

fn places(query: &str) -> Vec<String> {
    let faults = Question::parse(query).unwrap_err();
    faults.into_iter().map(|fault| fault.path).collect()
}

#[test]
fn nothing_asked_is_the_newest_hundred() {
    let question = Question::parse("").unwrap();
    assert_eq!(question.order, Order::Descending);
    assert_eq!(question.limit, 100);
    assert_eq!(question.filter.terms().count(), 0);
    assert!(question.cursor.is_none());
}

#[test]
fn every_condition_is_taken() {
    let all = "partition=invoices&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00%2B01:00\
               &action=invoice.*&activity=update&severity=warning&outcome=failure&actor_id=u%201\
               &actor_type=user&recorded_by=service:0197&target_type=invoice&target_id=i-1\
               &correlation_id=c&request_id=r&session_id=s&ip=2001:DB8::1&field=status\
               &label.region=eu&label.a.b-c_d=x&metadata.A%20b.%C3%A9=x&order=asc&limit=1000";
    let question = Question::parse(all).unwrap();
    assert_eq!(question.order, Order::Ascending);
    assert_eq!(question.limit, 1000);
    let terms: Vec<_> = question.filter.terms().collect();
    assert_eq!(terms.len(), 20);
    assert!(
        terms.contains(&("ip", "2001:db8::1")),
        "addresses are normalised"
    );
    assert!(
        terms.contains(&("to", "2026-01-01T23:00:00.000000Z")),
        "and times"
    );
    assert!(terms.contains(&("actor_id", "u 1")));
}

#[test]
fn a_full_filter_leaves_room_for_what_stands_beside_it() {
    let conditions = |count: usize| {
        let conditions: Vec<_> = (0..count).map(|n| format!("label.l{n}=x")).collect();
        conditions.join("&")
    };
    let full = conditions(MAX_CONDITIONS);
    let question = Question::parse(&format!("{full}&limit=1&order=asc")).unwrap();
    assert_eq!(question.filter.terms().count(), MAX_CONDITIONS);
    let cursor = Cursor {
        remaining: vec![Remaining {
            partition: "main".to_owned(),
            generation: 1,
            from: 1,
            to: 2,
        }],
    };
    let next = cursor.encode(&question.filter, Order::Ascending);
    let question = Question::parse(&format!("{full}&limit=1&order=asc&cursor={next}"));
    assert_eq!(question.unwrap().cursor, Some(cursor));
    assert_eq!(places(&conditions(MAX_CONDITIONS + 1)), ["query.label.l64"]);
}

#[test]
fn a_refusal_names_each_place() {
    for (query, expected) in [
        ("q=*words", vec!["query.q"]),
        ("wait_for=3", vec!["query.wait_for"]),
        ("limit=0", vec!["query.limit"]),
        ("limit=1001", vec!["query.limit"]),
        ("limit=-1&order=up", vec!["query.limit", "query.order"]),
        ("limit=1&limit=2", vec!["query.limit"]),
        ("actor_id=", vec!["query.actor_id"]),
        ("actor_id", vec!["query.actor_id"]),
        ("actor_id=a&actor_id=a", vec!["query.actor_id"]),
        ("partition=A", vec!["query.partition"]),
        ("partition=-a", vec!["query.partition"]),
        ("partition=a%00", vec!["query.partition"]),
        ("action=*", vec!["query.action"]),
        ("action=a.*.b", vec!["query.action"]),
        ("action=a..b", vec!["query.action"]),
        ("action=.*", vec!["query.action"]),
        ("severity=INFO", vec!["query.severity"]),
        ("activity=write", vec!["query.activity"]),
        ("outcome=ok", vec!["query.outcome"]),
        ("from=yesterday", vec!["query.from"]),
        ("from=2026-01-01", vec!["query.from"]),
        (
            "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            vec!["query.to"],
        ),
        ("label.=x", vec!["query.label."]),
        ("label.A=x", vec!["query.label.A"]),
        ("label.a=", vec!["query.label.a"]),
        ("actor_id=a%00", vec!["query.actor_id"]),
        ("metadata.a=%00", vec!["query.metadata.a"]),
        ("metadata.=x", vec!["query.metadata."]),
        ("metadata.a%3Db=x", vec!["query.metadata.a=b"]),
        ("metadata.a=", vec!["query.metadata.a"]),
        ("metadata=x", vec!["query.metadata"]),
        ("ip=%ff", vec!["query.ip"]),
        ("tenant=acme", vec!["query.tenant"]),
    ] {
        assert_eq!(places(query), expected, "{query}");
    }
    assert_eq!(
        places(&format!("actor_id={}", "x".repeat(257))),
        ["query.actor_id"]
    );
}

#[test]
fn a_refusal_never_repeats_the_value_and_keeps_names_short() {
    let faults = Question::parse(&format!("{}=secret", "n%0A".repeat(200))).unwrap_err();
    assert!(faults[0].path.len() <= "query.".len() + 80);
    assert!(!faults[0].path.contains('\n'));
    assert!(!faults[0].message.contains("secret"));
}
