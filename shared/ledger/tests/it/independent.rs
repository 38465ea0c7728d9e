//! A second opinion on every chain: recomputed from raw rows with nothing but SQL, JSON text and
//! SHA-256. Shares no code with what it checks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ledger::Tenant;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use crate::database::ORIGIN;

/// Recomputes every hash of the database's chains, and compares heads and ids. Gives each chain's size.
pub(crate) async fn verify(pool: &PgPool, tenants: &[&Tenant]) -> BTreeMap<(Uuid, String), i64> {
    let mut sizes = BTreeMap::new();
    let chains = sqlx::query(
        "select tenant, partition, generation, size, hash, received_at from ledger.chains",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for chain in chains {
        let tenant: Uuid = chain.get("tenant");
        let partition: String = chain.get("partition");
        let known = tenants.iter().find(|known| known.id == tenant);
        let code = known.unwrap().code.as_str();
        let size = verify_chain(
            pool,
            tenant,
            code,
            &partition,
            &chain.get::<Vec<u8>, _>("hash"),
        )
        .await;
        assert_eq!(
            size,
            chain.get::<i64, _>("size"),
            "{code}/{partition}: the head's size"
        );
        sizes.insert((tenant, partition), size);
    }
    let entries: i64 = scalar(pool, "select count(*) from ledger.entries").await;
    assert_eq!(
        entries,
        sizes.values().sum::<i64>(),
        "entries outside of chains"
    );
    let unindexed = "select count(*) from ledger.entries e left join ledger.entry_ids i
          on (i.tenant, i.id, i.partition, i.generation, i.seq, i.received_at)
           = (e.tenant, e.id, e.partition, e.generation, e.seq, e.received_at)
       where i.id is null";
    assert_eq!(scalar(pool, unindexed).await, 0, "entries without their id");
    assert_eq!(
        scalar(pool, "select count(*) from ledger.entry_ids").await,
        entries,
        "ids"
    );
    sizes
}

pub(crate) async fn scalar(pool: &PgPool, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(pool).await.unwrap()
}

async fn verify_chain(
    pool: &PgPool,
    tenant: Uuid,
    code: &str,
    partition: &str,
    head: &[u8],
) -> i64 {
    let rows = sqlx::query(
        r#"select seq, to_char(received_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as received_at,
                  id, salt, hash, event, parts, residue
             from ledger.entries where tenant = $1 and partition = $2 and generation = 1 order by seq"#,
    )
    .bind(tenant)
    .bind(partition)
    .fetch_all(pool)
    .await
    .unwrap();
    let mut previous = sha256(&[
        b"veritrail/genesis/v1\n",
        format!("{ORIGIN}/{code}/{partition}").as_bytes(),
    ]);
    let mut last_time = String::new();
    for (expected, row) in (0..).zip(&rows) {
        let seq: i64 = row.get("seq");
        let received_at: String = row.get("received_at");
        let event: &str = row.get("event");
        assert_eq!(seq, expected, "{code}/{partition}: a gap");
        assert!(
            received_at >= last_time,
            "{code}/{partition}/{seq}: time goes back"
        );
        let id = serde_json::from_str::<Value>(event).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            id,
            row.get::<Uuid, _>("id").to_string(),
            "{code}/{partition}/{seq}: id"
        );
        let personal = personal(row.get("salt"), row.get("parts"));
        let document = format!(
            r#"{{"event":{event},"partition":"{partition}","personal":{{{personal}}},"previous":"{}","received_at":"{received_at}","seq":{seq},"tenant":"{code}","version":1}}"#,
            hex(&previous)
        );
        let hash = sha256(&[b"\0", document.as_bytes()]);
        assert_eq!(
            hash,
            row.get::<Vec<u8>, _>("hash"),
            "{code}/{partition}/{seq}: hash"
        );
        previous = hash;
        last_time = received_at;
    }
    assert_eq!(previous, head, "{code}/{partition}: the head's hash");
    i64::try_from(rows.len()).unwrap()
}

/// Test entries have simple parts, for which `serde_json`'s sorted maps give the canonical text.
fn personal(salt: Option<&[u8]>, parts: Option<&str>) -> String {
    let parts: BTreeMap<String, Value> =
        parts.map_or_else(BTreeMap::new, |p| serde_json::from_str(p).unwrap());
    let digests = parts.iter().map(|(name, value)| {
        let salt = salt.unwrap();
        let part_salt = sha256(&[b"veritrail/salt/v1\n", salt, name.as_bytes()]);
        let text = value.to_string();
        let digest = sha256(&[
            b"veritrail/part/v1\n",
            &part_salt[..16],
            name.as_bytes(),
            b"\n",
            text.as_bytes(),
        ]);
        format!(r#""{name}":"{}""#, hex(&digest))
    });
    digests.collect::<Vec<_>>().join(",")
}

fn sha256(pieces: &[&[u8]]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
