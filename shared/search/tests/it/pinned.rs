//! A set of entries and sixty-four questions with the seqs that answer each: both implementations and the
//! check of single entries agree on every one.

use chain::Mask;
use serde_json::{Value, json};

use crate::entries::{chain, documents};
use crate::world::{Asked, World};

fn posts() -> Vec<(&'static str, Value)> {
    vec![
        // 0
        (
            "2026-01-05T09:00:00Z",
            json!({
            "action": "invoice.paid", "activity": "update", "actor": {"type": "user", "id": "u-1", "name": "Ann Müller", "email": "ann@example.com"},
            "targets": [{"type": "invoice", "id": "INV-2026-001", "name": "Heating, January"}], "outcome": {"status": "success"},
            "labels": {"region": "eu", "tier": "gold"}, "correlation_id": "order-77",
            "context": {"ip": "192.0.2.7", "request_id": "r-1", "session_id": "s-1", "user_agent": "curl/8.5.0"},
            "description": "Paid by card, the second attempt"}),
        ),
        // 1
        (
            "2026-01-05T09:00:01Z",
            json!({
            "action": "invoice.refunded", "severity": "warning", "actor": {"type": "user", "id": "u-2", "name": "Bob Brown"},
            "targets": [{"type": "invoice", "id": "INV-2026-002"}, {"type": "customer", "id": "c-9"}], "outcome": {"status": "failure", "code": "card_declined", "reason": "The card was declined by the bank"},
            "labels": {"region": "us"}, "context": {"ip": "2001:db8::1"}}),
        ),
        // 2
        (
            "2026-01-06T10:00:00Z",
            json!({
            "action": "user.login", "activity": "read", "actor": {"type": "user", "id": "u-1", "name": "Ann Müller"},
            "outcome": {"status": "failure", "reason": "Wrong password"}, "context": {"ip": "::ffff:192.0.2.7", "session_id": "s-2"}, "severity": "error"}),
        ),
        // 3
        (
            "2026-01-06T10:00:00Z",
            json!({
            "action": "user.login", "activity": "read", "actor": {"type": "user", "id": "u-1", "name": "Ann Müller"},
            "outcome": {"status": "success"}, "context": {"ip": "192.0.2.7", "session_id": "s-2"}}),
        ),
        // 4
        (
            "2026-02-01T00:00:00Z",
            json!({
            "action": "config.change", "activity": "update", "actor": {"type": "service", "id": "deployer"}, "severity": "critical",
            "changes": [{"field": "quota", "old": 10, "new": 12.5}, {"field": "owner.name", "old": "Dora", "new": "Émile Zola"}],
            "targets": [{"type": "project", "id": "p-1", "metadata": {"plan": "Enterprise Plus"}}]}),
        ),
        // 5
        (
            "2026-02-01T00:00:00.000001Z",
            json!({
            "action": "config", "actor": {"type": "job", "id": "nightly"}, "metadata": {"host": "db-01.example.com", "tags": ["backup", "full"], "size": 123_456},
            "description": "Nightly backup finished without errors"}),
        ),
        // 6
        (
            "2026-03-01T12:00:00Z",
            json!({
            "action": "document.read", "activity": "read", "actor": {"type": "user", "id": "u-3", "name": "田中太郎"},
            "targets": [{"type": "document", "id": "d-1", "name": "契約書2026"}], "description": "東京から閲覧"}),
        ),
        // 7
        (
            "2026-03-01T12:00:01Z",
            json!({
            "action": "document.read.partial", "activity": "read", "actor": {"type": "user", "id": "u-4", "name": "ΟΔΥΣΣΕΥΣ"},
            "targets": [{"type": "document", "id": "d-2"}], "attachments": [{"media_type": "application/pdf", "name": "contract final.pdf", "sha256": "ab".repeat(32)}]}),
        ),
        // 8
        (
            "2026-03-02T00:00:00Z",
            json!({
            "action": "api.call", "actor": {"type": "agent", "id": "bot", "on_behalf_of": [{"type": "user", "id": "u-1", "name": "Ann Müller"}]},
            "labels": {"region": "eu", "path": "a=b"}, "description": "quick brown fox", "metadata": {"note": "jumps over the lazy dog", "Build Info": {"commit.sha": "a=b*", "ok": true, "none": null}, "size": 123_456,
                "_value": "odd", "*": "odd", ".x": "odd", "y..": {"": "odd"}}}),
        ),
        // 9
        (
            "2026-03-02T00:00:01Z",
            json!({
            "action": "api.call", "actor": {"type": "agent", "id": "bot"}, "description": "brown quick fox. fox brown"}),
        ),
    ]
}

/// A question, and the seqs that answer it.
const PINNED: [(&str, &[u64]); 64] = [
    ("", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("action=invoice.paid", &[0]),
    ("action=invoice.*", &[0, 1]),
    ("action=document.*", &[6, 7]),
    ("action=document.read.*", &[7]),
    ("action=document.read", &[6]),
    ("action=config", &[5]),
    ("action=config.*", &[4]),
    ("activity=read", &[2, 3, 6, 7]),
    ("severity=info", &[0, 3, 5, 6, 7, 8, 9]),
    ("severity=critical", &[4]),
    ("outcome=failure", &[1, 2]),
    ("actor_id=u-1", &[0, 2, 3]),
    ("actor_type=agent", &[8, 9]),
    ("actor_type=user&outcome=success", &[0, 3]),
    ("recorded_by=service:0197-billing&severity=error", &[2]),
    ("recorded_by=service:0197", &[]),
    ("target_type=invoice", &[0, 1]),
    ("target_id=c-9", &[1]),
    ("target_type=customer&target_id=c-9", &[1]),
    ("target_type=invoice&target_id=c-9", &[]),
    ("correlation_id=order-77", &[0]),
    ("label.region=eu", &[0, 8]),
    ("label.region=eu&label.tier=gold", &[0]),
    ("label.path=a%3Db", &[8]),
    ("ip=192.0.2.7", &[0, 2, 3]),
    ("ip=2001:0db8:0:0:0:0:0:1", &[1]),
    ("request_id=r-1", &[0]),
    ("session_id=s-2", &[2, 3]),
    ("field=owner.name", &[4]),
    ("metadata.size=123456", &[5, 8]),
    ("metadata.size=123456&metadata.host=db-01.example.com", &[5]),
    ("metadata.size=12345", &[]),
    ("metadata.tags=full", &[5]),
    ("metadata.Build+Info.commit.sha=a%3Db*", &[8]),
    ("metadata.Build+Info.commit.sha=a%3D*", &[]),
    ("metadata.Build+Info.ok=true&q=fox", &[8]),
    ("metadata.commit.sha=a%3Db*", &[]),
    ("metadata.plan=Enterprise+Plus", &[]),
    ("metadata._value=odd", &[8]),
    ("metadata._value=123456", &[]),
    ("metadata.*=odd", &[8]),
    ("metadata..x=odd", &[8]),
    ("metadata.y...=odd", &[8]),
    (
        "from=2026-01-06T10:00:00Z&to=2026-02-01T00:00:00.000001Z",
        &[2, 3, 4],
    ),
    ("partition=default&from=2026-03-02T00:00:00Z", &[8, 9]),
    ("q=card", &[0, 1]),
    ("q=CARD+-declined", &[0]),
    ("q=\"card+was+declined\"", &[1]),
    ("q=\"declined+was+card\"", &[]),
    ("q=declin*", &[1]),
    ("q=muller", &[0, 2, 3, 8]),
    ("q=M%C3%9CLLER+login", &[2, 3]),
    ("q=emile", &[4]),
    ("q=INV-2026-002", &[1]),
    ("q=\"2026+001\"", &[0]),
    ("q=ann@example.com", &[0]),
    ("q=12.5", &[4]),
    ("q=db-01.example.com+backup", &[5]),
    ("q=%E5%A5%91%E7%B4%84", &[6]),
    ("q=%E6%9D%B1%E4%BA%AC+-contract", &[6]),
    ("q=%CE%BF%CE%B4%CF%85%CF%83%CF%83%CE%B5%CF%85%CF%82", &[7]),
    ("q=\"quick+brown\"&label.region=eu", &[8]),
    ("q=-card+-fox+-backup+-document&severity=info", &[3]),
];

pub(crate) async fn pinned_queries(world: World) {
    let tenant = world.tenant().await;
    let entries = chain("acme", "default", &posts());
    world.write(tenant, &documents(&entries)).await;
    for (query, expected) in PINNED {
        let asked = Asked::all(query, &["default"]);
        assert_eq!(asked.seqs(&world, tenant).await, expected, "{query}");
        // The check of single entries says the same.
        let matching = entries.iter().filter(|entry| {
            let whole = |time: Option<_>, other: bool| time.is_none_or(|_| other);
            let (from, to) = (asked.filter.from(), asked.filter.to());
            asked
                .filter
                .matches(&entry.event, entry.parts.as_deref(), Mask::Nothing)
                .unwrap()
                && whole(from, from.is_none_or(|from| entry.received_at >= from))
                && whole(to, to.is_none_or(|to| entry.received_at < to))
        });
        let seqs: Vec<_> = matching.map(|entry| entry.seq).collect();
        assert_eq!(seqs, expected, "{query}");
    }
    world.end().await;
}

/// Who may not see personal parts finds nothing by them, and learns nothing by their absence.
pub(crate) async fn personal_words_are_masked(world: World) {
    let tenant = world.tenant().await;
    let entries = chain("acme", "default", &posts());
    world.write(tenant, &documents(&entries)).await;
    for (query, expected) in [
        ("q=muller", &[][..]),
        ("q=card", &[1]),
        ("q=u-1", &[0, 2, 3, 8]),
        ("q=\"card+declined\"", &[1]),
        ("q=declin*", &[1]),
        ("q=user.login+-password", &[2, 3]),
        ("q=user.login+-login", &[]),
        ("q=-muller", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("ip=192.0.2.7", &[]),
        ("request_id=r-1", &[]),
        ("field=quota", &[]),
        ("metadata.tags=full", &[]),
        ("actor_id=u-1", &[0, 2, 3]),
    ] {
        let mut asked = Asked::all(query, &["default"]);
        asked.mask = Mask::Personal;
        assert_eq!(asked.seqs(&world, tenant).await, expected, "{query}");
        let stats = asked.stats(&world, tenant, 10, None).await.unwrap();
        assert_eq!(stats.total, expected.len() as u64, "{query}");
        let matching = entries.iter().filter(|entry| {
            let parts = entry.parts.as_deref();
            let matches = asked.filter.matches(&entry.event, parts, Mask::Personal);
            matches.unwrap()
        });
        let seqs: Vec<_> = matching.map(|entry| entry.seq).collect();
        assert_eq!(seqs, expected, "{query}");
    }
    world.end().await;
}
