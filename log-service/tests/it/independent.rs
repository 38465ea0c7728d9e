//! A second opinion on every chain: recomputed from the raw rows with SHA-256 and a JSON parser,
//! from the format's description alone. It never uses the `chain` crate.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::auth::TENANTS;

fn hash(pieces: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Recomputes every chain and returns how many entries it covered.
///
/// # Panics
/// At the first row that does not follow from the one before it, or from its own texts.
pub(crate) async fn verify_every_chain(database: &mut PgConnection, origin: &str) -> u64 {
    let chains = sqlx::query("select tenant, partition, size, hash from ledger.chains")
        .fetch_all(&mut *database)
        .await
        .unwrap();
    let mut covered = 0;
    for chain in chains {
        let tenant: Uuid = chain.get("tenant");
        let code = TENANTS
            .iter()
            .find(|known| known.id == tenant)
            .unwrap()
            .code;
        let partition: String = chain.get("partition");
        let (size, last) = verify(database, origin, (tenant, code), &partition).await;
        assert_eq!(
            chain.get::<i64, _>("size"),
            size,
            "{code}/{partition}: size"
        );
        assert_eq!(
            chain.get::<Vec<u8>, _>("hash"),
            last,
            "{code}/{partition}: head"
        );
        covered += u64::try_from(size).unwrap();
    }
    for table in ["entries", "entry_ids"] {
        let count = sqlx::AssertSqlSafe(format!("select count(*) from ledger.{table}"));
        let rows: i64 = sqlx::query_scalar(count)
            .fetch_one(&mut *database)
            .await
            .unwrap();
        assert_eq!(rows, i64::try_from(covered).unwrap(), "rows of {table}");
    }
    covered
}

async fn verify(
    database: &mut PgConnection,
    origin: &str,
    (tenant, code): (Uuid, &str),
    partition: &str,
) -> (i64, [u8; 32]) {
    let rows = sqlx::query(
        r#"select e.seq, e.id, e.salt, e.hash, e.event, e.parts, i.seq as id_seq,
                  i.partition = e.partition and i.received_at = e.received_at as id_agrees,
                  to_char(e.received_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as received_at
             from ledger.entries e
             join ledger.entry_ids i on i.tenant = e.tenant and i.id = e.id
            where e.tenant = $1 and e.partition = $2 order by e.seq"#,
    )
    .bind(tenant)
    .bind(partition)
    .fetch_all(database)
    .await
    .unwrap();
    let mut previous = hash(&[
        b"veritrail/genesis/v1\n",
        origin.as_bytes(),
        b"/",
        code.as_bytes(),
        b"/",
        partition.as_bytes(),
    ]);
    let mut last = String::new();
    let mut size = 0;
    for row in &rows {
        let at = format!("{code}/{partition}/{size}");
        let received_at: String = row.get("received_at");
        assert_eq!(row.get::<i64, _>("seq"), size, "{at}: seq");
        assert_eq!(row.get::<i64, _>("id_seq"), size, "{at}: entry_ids");
        assert!(row.get::<bool, _>("id_agrees"), "{at}: entry_ids");
        assert!(received_at >= last, "{at}: time goes back");
        let event: String = row.get("event");
        let id = row.get::<Uuid, _>("id").to_string();
        let parsed: serde_json::Value = serde_json::from_str(&event).unwrap();
        assert_eq!(parsed["id"], id, "{at}: id");
        let document = format!(
            r#"{{"event":{event},"partition":"{partition}","personal":{},"previous":"{}","received_at":"{received_at}","seq":{size},"tenant":"{code}","version":1}}"#,
            personal(row.get("parts"), row.get("salt")),
            hex(&previous),
        );
        let expected = hash(&[&[0], document.as_bytes()]);
        assert_eq!(
            row.get::<Vec<u8>, _>("hash"),
            expected,
            "{at}: hash of {document}"
        );
        previous = expected;
        last = received_at;
        size += 1;
    }
    (size, previous)
}

/// The digests of the parts, in the order of their names.
fn personal(parts: Option<String>, salt: Option<Vec<u8>>) -> String {
    let Some(parts) = parts else {
        assert!(salt.is_none(), "a salt that salts nothing");
        return "{}".to_owned();
    };
    let salt = salt.unwrap();
    let parts: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&parts).unwrap();
    let digests: Vec<String> = parts
        .iter()
        .map(|(name, text)| {
            let part_salt = hash(&[b"veritrail/salt/v1\n", &salt, name.as_bytes()]);
            let name_bytes = name.as_bytes();
            let digest = hash(&[
                b"veritrail/part/v1\n",
                &part_salt[..16],
                name_bytes,
                b"\n",
                text.get().as_bytes(),
            ]);
            format!("\"{name}\":\"{}\"", hex(&digest))
        })
        .collect();
    format!("{{{}}}", digests.join(","))
}

/// The hash of an evidence line's document, after checking each part that is given.
pub(crate) fn evidence(line: &serde_json::Value) -> String {
    let document = line["document"].as_str().unwrap();
    let parsed: serde_json::Value = serde_json::from_str(document).unwrap();
    let parts = line["parts"].as_object().unwrap();
    assert_eq!(parts.len(), parsed["personal"].as_object().unwrap().len());
    for (name, part) in parts {
        let salt = part["salt"].as_str().unwrap();
        let salt: Vec<u8> = (0..16)
            .map(|byte| u8::from_str_radix(&salt[2 * byte..2 * byte + 2], 16).unwrap())
            .collect();
        let text = part["text"].as_str().unwrap();
        let digest = hash(&[
            b"veritrail/part/v1\n",
            &salt,
            name.as_bytes(),
            b"\n",
            text.as_bytes(),
        ]);
        assert_eq!(parsed["personal"][name], hex(&digest), "{name}");
    }
    leaf(document)
}

/// The hash of a document, whatever it is.
pub(crate) fn leaf(document: &str) -> String {
    hex(&hash(&[&[0], document.as_bytes()]))
}
