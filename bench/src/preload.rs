//! Fills the ledger with entries that were truly chained, past the service: COPY of rows made by
//! the format's own code. For a table that is large before anything is measured.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use chain::{Chain, Entry, Head, Recorder, Salt, Timestamp};
use uuid::Uuid;

use crate::check::Trail;
use crate::database::Database;
use crate::template::{Ids, Into, Template};
use crate::varied::Varied;

/// Entries of each chain where there is to be more than one.
pub(crate) const PER_CHAIN: u64 = 1_000_000;

/// Rows that are handed to COPY at a time.
const ROWS: u64 = 1000;

/// Makes `count` entries in partitions of `each`, the last one of what is left, and returns their names.
pub(crate) async fn fill(
    trail: &Trail,
    database: &Database,
    (count, each): (u64, u64),
    ids: Ids,
    content: Content,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut source = Source::new(trail, database, ids, content)?;
    let mut rest = count;
    while rest > 0 {
        let size = rest.min(each);
        let partition = format!("preloaded-{}", names.len());
        let body = serde_json::json!({ "partition": partition });
        trail
            .client
            .post("/api/v1/partitions", &trail.reader, &body)
            .await?;
        source.chain(&partition, size)?;
        names.push(partition);
        rest -= size;
    }
    database.run("vacuum (analyze) ledger.entries")?;
    database.run("vacuum (analyze) ledger.entry_ids")?;
    database.run("checkpoint")?;
    Ok(names)
}

/// What entries say.
pub(crate) enum Content {
    /// All the same but for numbers.
    Alike(Box<Template>),
    /// What questions can select from.
    Varied(Varied),
}

impl Content {
    pub(crate) fn alike() -> Self {
        let into = Into::One("default".to_owned());
        Self::Alike(Box::new(Template::single("", Ids::Server, &into, 0)))
    }

    pub(crate) fn varied() -> Self {
        Self::Varied(Varied::new("default"))
    }

    fn enter(&mut self, partition: &str) {
        match self {
            Self::Alike(template) => {
                let into = Into::One(partition.to_owned());
                **template = Template::single("", Ids::Server, &into, 0);
            }
            Self::Varied(varied) => varied.enter(partition),
        }
    }

    fn next(&mut self) -> &[u8] {
        match self {
            Self::Alike(template) => {
                template.next();
                template.body()
            }
            Self::Varied(varied) => varied.next().as_bytes(),
        }
    }
}

/// Makes entries and writes them.
struct Source<'a> {
    database: &'a Database,
    chain: Chain,
    tenant_id: String,
    kind: String,
    subject: String,
    ids: Ids,
    content: Content,
    random: Random,
    /// Microseconds since 1970 of the next entry.
    now: i64,
}

impl<'a> Source<'a> {
    fn new(trail: &Trail, database: &'a Database, ids: Ids, content: Content) -> Result<Self> {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .as_micros();
        let day = 86_400_000_000;
        Ok(Self {
            database,
            chain: trail.chain.clone(),
            tenant_id: trail
                .writer
                .tenant_id
                .clone()
                .context("a writer of a tenant")?,
            kind: trail.writer.kind.clone(),
            subject: trail.writer.subject.clone(),
            ids,
            content,
            random: Random(0x9E37_79B9_7F4A_7C15),
            now: i64::try_from(now)? - day,
        })
    }

    /// Fills one chain, which is there and empty, in one transaction per table.
    fn chain(&mut self, partition: &str, size: u64) -> Result<()> {
        partition.clone_into(&mut self.chain.partition);
        self.content.enter(partition);
        let mut head = Head::empty(&self.chain);
        let mut entries = self.copy(
            "copy ledger.entries (tenant, id, seq, received_at, generation, partition, salt, hash, event, parts)
               from stdin",
        )?;
        let mut entry_ids = self.copy(
            "copy ledger.entry_ids (tenant, id, seq, received_at, generation, partition) from stdin",
        )?;
        let (mut rows, mut keys) = (String::new(), String::new());
        for nth in 1..=size {
            self.entry(&mut head, &mut rows, &mut keys)?;
            if nth % ROWS == 0 || nth == size {
                for (copy, text) in [(&mut entries, &mut rows), (&mut entry_ids, &mut keys)] {
                    let input = copy.stdin.as_mut().context("psql reads")?;
                    input
                        .write_all(text.as_bytes())
                        .context("psql stopped reading")?;
                    text.clear();
                }
            }
        }
        for mut copy in [entries, entry_ids] {
            drop(copy.stdin.take());
            ensure!(copy.wait()?.success(), "psql could not copy in");
        }
        let Chain { partition, .. } = &self.chain;
        let (tenant, hash, received_at) = (&self.tenant_id, head.hash, head.received_at);
        self.database.run(&format!(
            "update ledger.chains set size = {size}, hash = '\\x{hash}', received_at = '{received_at}'
              where tenant = '{tenant}' and partition = '{partition}' and size = 0"
        ))?;
        Ok(())
    }

    fn copy(&self, statement: &str) -> Result<Child> {
        self.database
            .psql(statement)
            .stdin(Stdio::piped())
            .spawn()
            .context("running psql")
    }

    /// Appends one entry to the head and its rows to the texts.
    fn entry(&mut self, head: &mut Head, rows: &mut String, keys: &mut String) -> Result<()> {
        self.now += 1000;
        let id = self.id();
        let recorder = Recorder {
            kind: &self.kind,
            id: &self.subject,
        };
        let entry = Entry::parse(self.content.next(), recorder, id)
            .map_err(|faults| anyhow!("{faults:?}"))?;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.random.next().to_le_bytes());
        salt[8..].copy_from_slice(&self.random.next().to_le_bytes());
        let received_at = Timestamp::from_micros(self.now).context("a time")?;
        let link = head.link(&self.chain.tenant, &entry, Salt(salt), received_at);
        let (tenant, partition) = (&self.tenant_id, &self.chain.partition);
        let key = format!(
            "{tenant}\t{id}\t{}\t{}\t1\t{partition}",
            link.seq, link.received_at
        );
        writeln!(keys, "{key}")?;
        write!(rows, "{key}\t")?;
        match link.salt {
            Some(salt) => write!(rows, "\\\\x{salt}\t")?,
            None => rows.push_str("\\N\t"),
        }
        write!(
            rows,
            "\\\\x{}\t{}\t",
            link.hash,
            entry.event().replace('\\', "\\\\")
        )?;
        match entry.parts() {
            Some(parts) => writeln!(rows, "{}", parts.replace('\\', "\\\\"))?,
            None => rows.push_str("\\N\n"),
        }
        Ok(())
    }

    fn id(&mut self) -> Uuid {
        let (high, low) = (self.random.next(), self.random.next());
        if self.ids == Ids::V4 {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&high.to_be_bytes());
            bytes[8..].copy_from_slice(&low.to_be_bytes());
            return uuid::Builder::from_random_bytes(bytes).into_uuid();
        }
        let millis = u64::try_from(self.now / 1000).unwrap_or_default();
        let mut tail = [0; 10];
        tail[2..].copy_from_slice(&low.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
