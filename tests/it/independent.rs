//! A second opinion on every chain: recomputed from the raw rows with SHA-256 and a JSON parser,
//! from `docs/format.md` alone. It never uses the `chain` crate.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row};

type Bytes32 = [u8; 32];

fn hash(pieces: &[&[u8]]) -> Bytes32 {
    let mut digest = Sha256::new();
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    let pair = |byte: &u8| {
        [
            digits[usize::from(byte >> 4)],
            digits[usize::from(byte & 15)],
        ]
    };
    bytes.iter().flat_map(pair).map(char::from).collect()
}

/// Recomputes every chain of every tenant and returns how many entries it covered.
///
/// # Panics
/// At the first row that does not follow from the one before it, or from its own texts.
pub(crate) async fn verify_every_chain(database: &mut PgConnection, origin: &str) -> u64 {
    let chains = sqlx::query(
        "select c.tenant, t.code, c.partition, c.generation, c.size, c.hash
           from ledger.chains c join auth.tenants t on t.id = c.tenant
          order by c.tenant, c.partition",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    let mut covered = 0;
    for chain in &chains {
        covered += verify_chain(database, origin, chain).await;
    }
    let rows: i64 = sqlx::query_scalar("select count(*) from ledger.entries")
        .fetch_one(&mut *database)
        .await
        .unwrap();
    let ids: i64 = sqlx::query_scalar("select count(*) from ledger.entry_ids")
        .fetch_one(database)
        .await
        .unwrap();
    assert_eq!(
        rows,
        i64::try_from(covered).unwrap(),
        "rows outside of every chain"
    );
    assert_eq!(ids, rows, "every entry has its id, and no id is left over");
    covered
}

async fn verify_chain(
    database: &mut PgConnection,
    origin: &str,
    chain: &sqlx::postgres::PgRow,
) -> u64 {
    let tenant: uuid::Uuid = chain.get("tenant");
    let code: String = chain.get("code");
    let partition: String = chain.get("partition");
    let generation: i32 = chain.get("generation");
    let mut line = format!("{origin}/{code}/{partition}");
    if generation > 1 {
        line = format!("{line}/{generation}");
    }
    let mut previous = hash(&[b"veritrail/genesis/v1\n", line.as_bytes()]);
    let mut last_time = String::new();

    let rows = sqlx::query(
        r#"select e.seq, e.id, e.salt, e.hash, e.event, e.parts,
                  to_char(e.received_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as received_at,
                  i.partition as id_partition, i.seq as id_seq, i.received_at = e.received_at as id_time
             from ledger.entries e
             left join ledger.entry_ids i on i.tenant = e.tenant and i.id = e.id
            where e.tenant = $1 and e.partition = $2 order by e.seq"#,
    )
    .bind(tenant)
    .bind(&partition)
    .fetch_all(database)
    .await
    .unwrap();

    for (expected, row) in rows.iter().enumerate() {
        let seq: i64 = row.get("seq");
        let place = format!("{line} seq {seq}");
        assert_eq!(
            seq,
            i64::try_from(expected).unwrap(),
            "{place}: a gap or a double"
        );
        let received_at: String = row.get("received_at");
        assert!(received_at >= last_time, "{place}: time went back");
        let document = document(row, &code, &partition, &previous, &received_at);
        let computed = hash(&[&[0], document.as_bytes()]);
        assert_eq!(
            row.get::<Vec<u8>, _>("hash"),
            computed,
            "{place}: hash of {document}"
        );
        let event: serde_json::Value = serde_json::from_str(row.get("event")).unwrap();
        let id: uuid::Uuid = row.get("id");
        assert_eq!(event["id"], id.to_string(), "{place}: id");
        assert_eq!(
            row.get::<Option<String>, _>("id_partition").as_deref(),
            Some(&*partition),
            "{place}"
        );
        assert_eq!(row.get::<Option<i64>, _>("id_seq"), Some(seq), "{place}");
        assert_eq!(row.get::<Option<bool>, _>("id_time"), Some(true), "{place}");
        previous = computed;
        last_time = received_at;
    }
    assert_eq!(
        chain.get::<i64, _>("size"),
        i64::try_from(rows.len()).unwrap(),
        "{line}: head size"
    );
    assert_eq!(
        chain.get::<Vec<u8>, _>("hash"),
        previous,
        "{line}: head hash"
    );
    rows.len() as u64
}

/// Recomputes an evidence file of a whole chain and returns the hash of its last entry.
///
/// # Panics
/// At the first line that does not follow from the one before it, or whose parts are not those that
/// its document names.
pub(crate) fn verify_evidence(file: &str) -> String {
    let mut previous = None;
    for (seq, line) in file.lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = line["document"].as_str().unwrap();
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(document["version"], 1, "{document}");
        assert_eq!(document["seq"], seq, "{document}");
        if let Some(previous) = previous {
            assert_eq!(document["previous"], previous, "{document}");
        }
        for (name, part) in line["parts"].as_object().unwrap() {
            let salt = unhex(part["salt"].as_str().unwrap());
            let text = part["text"].as_str().unwrap();
            let pieces: [&[u8]; 5] = [
                b"veritrail/part/v1\n",
                &salt,
                name.as_bytes(),
                b"\n",
                text.as_bytes(),
            ];
            let digest = hex(&hash(&pieces));
            assert_eq!(document["personal"][name], digest, "{document}: {name}");
        }
        previous = Some(hex(&hash(&[&[0], text.as_bytes()])));
    }
    previous.expect("an evidence file without a line")
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// The document of a row: its event as stored, and the digest of each of its parts.
fn document(
    row: &sqlx::postgres::PgRow,
    tenant: &str,
    partition: &str,
    previous: &Bytes32,
    received_at: &str,
) -> String {
    let salt: Vec<u8> = row.get::<Option<Vec<u8>>, _>("salt").unwrap_or_default();
    let parts: BTreeMap<String, Box<RawValue>> = row
        .get::<Option<&str>, _>("parts")
        .map(|text| serde_json::from_str(text).unwrap())
        .unwrap_or_default();
    let personal: Vec<String> = parts
        .iter()
        .map(|(name, value)| {
            let part_salt = hash(&[b"veritrail/salt/v1\n", &salt, name.as_bytes()]);
            let digest = hash(&[
                b"veritrail/part/v1\n",
                &part_salt[..16],
                name.as_bytes(),
                b"\n",
                value.get().as_bytes(),
            ]);
            format!(r#""{name}":"{}""#, hex(&digest))
        })
        .collect();
    format!(
        r#"{{"event":{},"partition":"{partition}","personal":{{{}}},"previous":"{}","received_at":"{received_at}","seq":{},"tenant":"{tenant}","version":1}}"#,
        row.get::<&str, _>("event"),
        personal.join(","),
        hex(previous),
        row.get::<i64, _>("seq"),
    )
}
