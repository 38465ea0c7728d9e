//! Whoever runs the database can write to it. After any change to any column of
//! any row, and any row removed, added or moved, `verify` exits 1 and names the place.

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::veritrail::Place;

const ENTRIES: u64 = 7;
/// The row that is changed.
const SEQ: u64 = 3;
const TABLES: [&str; 3] = ["chains", "entries", "entry_ids"];

/// The superuser, past the triggers.
struct Attacker {
    runtime: tokio::runtime::Runtime,
    connection: PgConnection,
}

impl Attacker {
    fn new(place: &Place) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let url = place.credentials()["database_url"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut connection = runtime.block_on(PgConnection::connect(&url)).unwrap();
        runtime
            .block_on(connection.execute("set session_replication_role = replica"))
            .unwrap();
        let mut attacker = Self {
            runtime,
            connection,
        };
        for table in TABLES {
            attacker.run(&format!(
                "create temporary table kept_{table} as table ledger.{table}"
            ));
        }
        attacker
    }

    fn run(&mut self, sql: &str) -> u64 {
        let done = self
            .runtime
            .block_on(self.connection.execute(sqlx::AssertSqlSafe(sql.to_owned())));
        done.unwrap_or_else(|error| panic!("{sql}: {error}"))
            .rows_affected()
    }

    fn columns(&mut self, table: &str) -> Vec<(String, String)> {
        let columns = sqlx::query_as(
            "select column_name::text, data_type::text from information_schema.columns
              where table_schema = 'ledger' and table_name = $1 order by ordinal_position",
        );
        self.runtime
            .block_on(columns.bind(table).fetch_all(&mut self.connection))
            .unwrap()
    }

    /// Everything but `system`, which goes on being written, as it was.
    fn restore(&mut self) {
        for table in TABLES {
            self.run(&format!(
                "delete from ledger.{table} where partition <> 'system'"
            ));
            self.run(&format!(
                "insert into ledger.{table} select * from kept_{table} where partition <> 'system'"
            ));
        }
    }
}

/// Another value of the same type.
fn other(column: &str, kind: &str) -> String {
    match (column, kind) {
        ("partition", _) => "'elsewhere'".to_owned(),
        ("residue", _) => r#"'{"digests":{},"salts":{}}'"#.to_owned(),
        (_, "text") => format!("translate({column}, 'aeiou', 'eioua')"),
        (_, "uuid") => "gen_random_uuid()".to_owned(),
        (_, "bigint" | "integer") => format!("{column} + 1"),
        (_, "timestamp with time zone") => format!("{column} + interval '1 microsecond'"),
        (_, "bytea") => format!("set_byte({column}, 0, (get_byte({column}, 0) + 1) % 256)"),
        _ => panic!("no other value for {column}: {kind}"),
    }
}

/// Every single-column change, with the seq that has to be named.
fn changes(attacker: &mut Attacker) -> Vec<(String, Option<u64>)> {
    let mut changes = Vec::new();
    for table in TABLES {
        for (column, kind) in attacker.columns(table) {
            let value = other(&column, &kind);
            let (row, seq) = match table {
                "chains" => (String::new(), None),
                // A neighbour has the next number already: the unique key would refuse it.
                _ if column == "seq" && table == "entries" => {
                    (format!("and seq = {}", ENTRIES - 1), Some(ENTRIES - 1))
                }
                _ => (format!("and seq = {SEQ}"), Some(SEQ)),
            };
            changes.push((
                format!(
                    "update ledger.{table} set {column} = {value} where partition = 'default' {row}"
                ),
                seq,
            ));
        }
    }
    for column in ["salt", "parts"] {
        changes.push((
            format!("update ledger.entries set {column} = null where partition = 'default' and seq = {SEQ}"),
            Some(SEQ),
        ));
    }
    changes
}

/// What no column is made for; the constraints are the attacker's to drop.
fn shapes() -> Vec<(String, Option<u64>)> {
    let of = |value: &str, seq: u64| {
        let sql = format!(
            "update ledger.entries set {value} where partition = 'default' and seq = {seq}"
        );
        (sql, Some(seq))
    };
    let head = |value: &str| {
        let sql = format!("update ledger.chains set {value} where partition = 'default'");
        (sql, None)
    };
    vec![
        head("hash = '\\x00'"),
        head("size = -1"),
        head("received_at = 'infinity'"),
        head("generation = 0"),
        of("hash = '\\x00'", SEQ),
        of("hash = '\\x00'", 0),
        of("salt = '\\x00'", SEQ),
        of("received_at = 'infinity'", SEQ),
        of("received_at = '-infinity'", 0),
        of("generation = -1", SEQ),
        of("event = ''", SEQ),
        of("event = 'null'", 0),
        of("event = 'not JSON'", SEQ),
        of("parts = '{}'", SEQ),
        of("parts = 'not JSON'", SEQ),
        of("residue = 'not JSON'", SEQ),
        (
            "update ledger.entries set seq = -1 where partition = 'default' and seq = 3".to_owned(),
            None,
        ),
        (
            "update ledger.entry_ids set seq = -1 where partition = 'default' and seq = 3"
                .to_owned(),
            None,
        ),
        (
            "update ledger.chains set size = 9223372036854775807 where partition = 'default'"
                .to_owned(),
            Some(ENTRIES),
        ),
    ]
}

/// Whole rows, removed, added, exchanged, cut off.
fn moves() -> Vec<(String, Option<u64>)> {
    let of = |sql: &str| {
        sql.replace("ENTRIES", "ledger.entries")
            .replace("IDS", "ledger.entry_ids")
    };
    let last = ENTRIES - 1;
    let all = "partition = 'default'";
    vec![
        (of(&format!("delete from ENTRIES where {all} and seq = {SEQ}")), Some(SEQ)),
        (of(&format!("delete from ENTRIES where {all} and seq = 0")), Some(0)),
        (of(&format!("delete from IDS where {all} and seq = {SEQ}")), Some(SEQ)),
        (of(&format!("delete from ENTRIES where {all} and seq = {last}")), Some(last)),
        (
            of(&format!("with gone as (delete from IDS where {all} and seq >= 5) delete from ENTRIES where {all} and seq >= 5")),
            Some(5),
        ),
        (
            of(&format!("update ENTRIES set seq = case seq when {SEQ} then {SEQ} + 1001 else {SEQ} + 1000 end where {all} and seq in ({SEQ}, {SEQ} + 1);
                update ENTRIES set seq = seq - 1000 where {all} and seq > 1000")),
            Some(SEQ),
        ),
        (
            of(&format!("insert into ENTRIES select tenant, gen_random_uuid(), {ENTRIES}, received_at, generation, partition, salt, hash, event, parts, residue
                from ENTRIES where {all} and seq = {last}")),
            Some(ENTRIES),
        ),
        (
            of(&format!("insert into IDS select tenant, gen_random_uuid(), seq, received_at, generation, partition from IDS where {all} and seq = {SEQ}")),
            Some(SEQ),
        ),
        (
            of(&format!("insert into ENTRIES select tenant, gen_random_uuid(), seq, received_at, generation, 'forged', salt, hash, event, parts, residue
                from ENTRIES where {all} and seq = {SEQ}")),
            None,
        ),
        ("delete from ledger.chains where partition = 'default'".to_owned(), None),
        (of(&format!("delete from ENTRIES where {all}")), Some(0)),
    ]
}

#[test]
fn every_change_is_found_and_named() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();
    let mut lines = String::new();
    for number in 0..ENTRIES {
        let actor = json!({"type": "job", "id": number.to_string(), "name": "Job"});
        lines +=
            &json!({"action": "n.counted", "actor": actor, "metadata": {"a": number}}).to_string();
        lines.push('\n');
    }
    place.run_with(&["append"], lines.as_bytes()).good();
    place.run(&["verify"]).good();

    let mut attacker = Attacker::new(&place);
    let mut cases = changes(&mut attacker);
    cases.extend(moves());
    for table in TABLES {
        attacker.run(&format!(
            "alter table ledger.{table} drop constraint if exists {table}_shape"
        ));
    }
    cases.extend(shapes());
    for (sql, seq) in cases {
        assert_ne!(attacker.run(&sql), 0, "{sql}");
        let verified = place.run(&["verify", "--json"]);
        assert_eq!(verified.code, 1, "{sql}\n{}{}", verified.out, verified.err);
        let last = verified.values().pop().unwrap();
        assert_eq!(last["good"], false, "{sql}");
        let findings = last["findings"].as_array().unwrap();
        let named = |finding: &&Value| {
            let place = finding["partition"] == "default"
                || finding["partition"] == "elsewhere"
                || finding["partition"] == "forged";
            place && seq.is_none_or(|seq| finding["seq"] == seq)
        };
        assert!(
            findings.iter().any(|finding| named(&finding)),
            "{sql}\n{findings:#?}"
        );
        let told = place.run(&["verify"]);
        assert!(told.out.contains("TAMPERED"), "{}", told.out);
        attacker.restore();
        let restored = place.run(&["verify"]);
        assert_eq!(
            restored.code, 0,
            "after restoring {sql}\n{}{}",
            restored.out, restored.err
        );
    }
    place.run(&["verify"]).good();
    assert_eq!(up.interrupt(), 0);
}
