//! Posts that the format accepts, of any shape.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Text with what strings make difficult: quotes, controls, U+0000, surrogate pairs, U+E000 and above.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,12}",
        "[ -~é€\u{e000}\u{ffff}😀\u{10ffff}\"\\\\\n\u{1}\u{7f}]{1,12}",
        any::<String>().prop_filter("a string that is there", |text| !text.is_empty()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,3}", "[ -~é€\u{e000}\u{ffff}😀\"\\\\\n]{0,4}"]
}

/// A number that RFC 8785 keeps.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-(1_i64 << 53)..(1 << 53)).prop_map(Value::from),
        any::<f64>().prop_map(|number| serde_json::to_value(number).unwrap()),
        (-1e6..1e6).prop_map(|number: f64| json!(number)),
    ]
}

pub(super) fn data() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(name(), inner, 0..5).prop_map(|members| json!(members)),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    btree_map(name(), data(), 1..4).prop_map(|members| json!(members))
}

/// An object with some of the members given.
fn some_of(
    members: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> impl Strategy<Value = Map<String, Value>> {
    members
        .into_iter()
        .map(|(name, value)| prop::option::of(value).prop_map(move |value| (name, value)))
        .collect::<Vec<_>>()
        .prop_map(|members| {
            members
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect()
        })
}

fn with(mut object: Map<String, Value>, members: &[(&str, &str)]) -> Value {
    for (name, value) in members {
        object.insert((*name).to_owned(), json!(value));
    }
    Value::Object(object)
}

/// A post that the format accepts.
pub(super) fn post() -> impl Strategy<Value = Value> {
    let texts = || text().prop_map(Value::from).boxed();
    let kept = || "[ -~é😀]{1,20}".prop_map(Value::from).boxed();
    let named = || some_of(vec![("name", texts()), ("email", texts())]);
    let on_behalf_of = vec(
        named().prop_map(|part| with(part, &[("type", "user"), ("id", "1")])),
        1..9,
    );
    let actor = some_of(vec![
        ("name", texts()),
        ("email", texts()),
        ("metadata", object().boxed()),
        ("on_behalf_of", on_behalf_of.prop_map(Value::from).boxed()),
    ]);
    let target = some_of(vec![("name", texts()), ("metadata", object().boxed())])
        .prop_map(|part| with(part, &[("type", "Invoice"), ("id", "7")]));
    let attachment = some_of(vec![
        ("name", texts()),
        ("location", texts()),
        ("media_type", kept()),
        ("size", (0..1_i64 << 53).prop_map(Value::from).boxed()),
    ])
    .prop_map(|part| with(part, &[("sha256", &"Ab".repeat(32))]));
    let change = some_of(vec![("old", data().boxed()), ("new", data().boxed())])
        .prop_map(|part| with(part, &[("field", "f")]));
    some_of(vec![
        (
            "actor",
            actor
                .prop_map(|part| with(part, &[("type", "agent"), ("id", "a b")]))
                .boxed(),
        ),
        (
            "attachments",
            vec(attachment, 1..14).prop_map(Value::from).boxed(),
        ),
        ("targets", vec(target, 1..14).prop_map(Value::from).boxed()),
        ("changes", vec(change, 1..4).prop_map(Value::from).boxed()),
        (
            "outcome",
            some_of(vec![("code", kept()), ("reason", texts())])
                .prop_map(|part| with(part, &[("status", "failure")]))
                .boxed(),
        ),
        (
            "context",
            some_of(vec![
                ("ip", texts()),
                ("user_agent", texts()),
                ("location", texts()),
            ])
            .prop_map(Value::Object)
            .boxed(),
        ),
        (
            "labels",
            btree_map("[a-z0-9_.-]{1,8}", "[ -~é😀]{1,9}", 1..5)
                .prop_map(|labels| json!(labels))
                .boxed(),
        ),
        ("correlation_id", kept()),
        ("causation_id", kept()),
        ("description", texts()),
        ("metadata", object().boxed()),
        ("action_version", (1..65_536).prop_map(Value::from).boxed()),
        ("activity", Just(json!("other")).boxed()),
        ("severity", Just(json!("error")).boxed()),
        (
            "occurred_at",
            Just(json!("2026-01-15T10:30:00.5+01:00")).boxed(),
        ),
        ("partition", Just(json!("default")).boxed()),
    ])
    .prop_map(|post| with(post, &[("action", "a.b")]))
}
