//! An audit finds any change that SQL makes to any column of any row.

use chain::verify::Verifier;
use chain::{Chain, Head};
use ledger::{Audit, Ledger, Limit, Tenant};
use sqlx::{AssertSqlSafe, PgPool};

use crate::database::{Database, ORIGIN, append, entry, tenant};

const PAGE: Limit = Limit {
    rows: 3,
    bytes: 1 << 20,
};

/// What is wrong with a tenant's chains, as whoever audits finds it.
async fn findings(ledger: &Ledger, tenant: &Tenant) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut names = vec!["default".to_owned(), "orders".to_owned()];
    for name in ledger.unchained(tenant).await.unwrap() {
        wrong.push(format!("{name}: entries without a chain"));
        names.retain(|known| *known != name);
    }
    for name in names {
        wrong.extend(
            audit(ledger, tenant, &name)
                .await
                .map_err(|what| format!("{name}: {what}"))
                .err(),
        );
    }
    let mut after = None;
    loop {
        let (astray, next) = ledger.audit_ids(tenant, after, 2).await.unwrap();
        wrong.extend(
            astray
                .iter()
                .map(|row| format!("id row of {}/{} leads nowhere", row.partition, row.seq)),
        );
        if next.is_none() {
            return wrong;
        }
        after = next;
    }
}

async fn audit(ledger: &Ledger, tenant: &Tenant, partition: &str) -> Result<(), String> {
    let chain = Chain {
        origin: ORIGIN.to_owned(),
        tenant: tenant.code.clone(),
        partition: partition.to_owned(),
        generation: 1,
    };
    let mut head = Head::empty(&chain);
    let mut verifier = Verifier::new(chain);
    let mut after: Option<Audit> = None;
    loop {
        let page = ledger.audit(tenant, partition, after.as_ref(), PAGE).await;
        let page = page.map_err(|error| error.to_string())?;
        for row in &page.rows {
            let stored = &row.stored;
            if stored.generation != 1 {
                return Err(format!("{}: generation", stored.seq));
            }
            verifier.row(stored).map_err(|error| error.to_string())?;
            let indexed = row
                .indexed
                .as_ref()
                .ok_or_else(|| format!("{}: no id row", stored.seq))?;
            let place = (
                &*indexed.partition,
                indexed.generation,
                indexed.seq,
                indexed.received_at,
            );
            if place
                != (
                    &*stored.partition,
                    stored.generation,
                    stored.seq,
                    stored.received_at,
                )
            {
                return Err(format!("{}: id row", stored.seq));
            }
            head = verifier.head().unwrap();
        }
        let Some(next) = page.next else {
            let last = page.head.ok_or("no chain row")?;
            let received_at = (head.size > 0).then_some(head.received_at);
            if (last.generation, last.size, last.hash, last.received_at)
                != (1, head.size, head.hash, received_at)
            {
                return Err("head".to_owned());
            }
            return Ok(());
        };
        after = Some(next);
    }
}

/// Changes by someone who can get past triggers, each on rows of the chain `default`.
const CHANGES: [&str; 24] = [
    "update ledger.entries set tenant = '00000000-0000-0000-0000-000000000009' where seq = 3 and HERE",
    "update ledger.entries set partition = 'other' where seq = 3 and HERE",
    "update ledger.entries set generation = 2 where seq = 3 and HERE",
    "update ledger.entries set seq = 100 where seq = 3 and HERE",
    "update ledger.entries set seq = 8 where seq = 7 and HERE",
    "update ledger.entries set received_at = received_at + interval '1 us' where seq = 3 and HERE",
    "update ledger.entries set id = gen_random_uuid() where seq = 3 and HERE",
    "update ledger.entries set salt = decode(repeat('00', 16), 'hex') where seq = 3 and HERE",
    "update ledger.entries set salt = null where seq = 3 and HERE",
    "update ledger.entries set hash = decode(repeat('00', 32), 'hex') where seq = 3 and HERE",
    "update ledger.entries set event = replace(event, 'invoice.paid', 'invoice.sent') where seq = 3 and HERE",
    "update ledger.entries set parts = replace(parts, 'Name', 'Mane') where seq = 3 and HERE",
    "update ledger.entries set parts = null where seq = 3 and HERE",
    "update ledger.entries set residue = '{}' where seq = 3 and HERE",
    "delete from ledger.entries where seq = 3 and HERE",
    "delete from ledger.entries where seq = 7 and HERE",
    "insert into ledger.entries select tenant, gen_random_uuid(), seq + 8, received_at, generation, partition, salt, hash, event, parts, residue from ledger.entries where seq = 7 and HERE",
    "update ledger.entry_ids set seq = 4 where seq = 3 and HERE",
    "update ledger.entry_ids set received_at = received_at + interval '1 us' where seq = 3 and HERE",
    "update ledger.entry_ids set id = gen_random_uuid() where seq = 3 and HERE",
    "delete from ledger.entry_ids where seq = 3 and HERE",
    "insert into ledger.entry_ids select tenant, gen_random_uuid(), seq, received_at, generation, partition from ledger.entry_ids where seq = 3 and HERE",
    "update ledger.chains set size = size - 1 where HERE",
    "delete from ledger.chains where HERE",
];

/// The rest of the columns, where a change needs no condition on a seq.
const MORE_CHANGES: [&str; 8] = [
    "update ledger.chains set hash = decode(repeat('00', 32), 'hex') where HERE",
    "update ledger.chains set received_at = received_at + interval '1 us' where HERE",
    "update ledger.chains set generation = 2 where HERE",
    "update ledger.chains set tenant = '00000000-0000-0000-0000-000000000009' where HERE",
    "update ledger.chains set partition = 'other' where HERE",
    "update ledger.entry_ids set tenant = '00000000-0000-0000-0000-000000000009' where seq = 3 and HERE",
    "update ledger.entry_ids set partition = 'other' where seq = 3 and HERE",
    "update ledger.entry_ids set generation = 2 where seq = 3 and HERE",
];

#[sqlx::test(migrations = false)]
async fn any_changed_column_is_found(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    ledger.create_partition(&acme, "orders").await.unwrap();
    for partition in ["default", "orders"] {
        let entries = (0..8).map(|n| entry(partition, n)).collect();
        append(&ledger, &acme, partition, entries).await.unwrap();
    }
    assert_eq!(findings(&ledger, &acme).await, Vec::<String>::new());
    for change in CHANGES.iter().chain(&MORE_CHANGES) {
        let here = format!("tenant = '{}' and partition = 'default'", acme.id);
        let change = change.replace("HERE", &here);
        sqlx::raw_sql(
            "drop schema if exists saved cascade; create schema saved;
             create table saved.entries as table ledger.entries;
             create table saved.entry_ids as table ledger.entry_ids;
             create table saved.chains as table ledger.chains",
        )
        .execute(&database.pool)
        .await
        .unwrap();
        let statements =
            format!("begin; set local session_replication_role = replica; {change}; commit");
        sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(&database.pool)
            .await
            .unwrap();
        let found = findings(&ledger, &acme).await;
        assert!(!found.is_empty(), "not found: {change}");
        sqlx::raw_sql(
            "begin; set local session_replication_role = replica;
             delete from ledger.entries; insert into ledger.entries table saved.entries;
             delete from ledger.entry_ids; insert into ledger.entry_ids table saved.entry_ids;
             delete from ledger.chains; insert into ledger.chains table saved.chains; commit",
        )
        .execute(&database.pool)
        .await
        .unwrap();
        assert_eq!(
            findings(&ledger, &acme).await,
            Vec::<String>::new(),
            "after {change}"
        );
    }
}

#[sqlx::test(migrations = false)]
async fn an_empty_or_unknown_partition_has_an_empty_page(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    ledger.create_partition(&acme, "orders").await.unwrap();
    let page = ledger.audit(&acme, "orders", None, PAGE).await.unwrap();
    assert_eq!(
        (page.head.map(|head| head.size), page.rows.len(), page.next),
        (Some(0), 0, None)
    );
    let page = ledger.audit(&acme, "nothing", None, PAGE).await.unwrap();
    assert!(page.head.is_none() && page.rows.is_empty() && page.next.is_none());
}
