//! The statements of a lane: executes one command on one connection. Never decides anything.

use chain::{Hash, Head};
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::lane::{Find, Found, Key, Load, Loaded, Reply, Swap};
use crate::rows::{Row, decode_hash, from_time, to_time};

pub(crate) type Result<T> = std::result::Result<T, sqlx::Error>;

/// Heads, each read under its session lock where one is named. `acknowledged` looks the row up by
/// its whole key, so the time is part of it.
pub(crate) async fn load(connection: &mut PgConnection, chains: &[Load]) -> Result<Reply> {
    let locks: Vec<Option<i64>> = chains.iter().map(|load| load.lock).collect();
    let tenants: Vec<Uuid> = chains.iter().map(|load| load.key.tenant).collect();
    let partitions: Vec<&str> = chains.iter().map(|load| &*load.key.partition).collect();
    let places = || chains.iter().map(|load| load.acknowledged);
    let generations: Vec<Option<i32>> = places()
        .map(|p| Some(p?.generation.cast_signed()))
        .collect();
    let seqs: Vec<Option<i64>> = places().map(|p| Some(p?.seq.cast_signed())).collect();
    let times: Vec<Option<OffsetDateTime>> =
        places().map(|p| Some(to_time(p?.received_at))).collect();
    let rows = sqlx::query!(
        r#"select clock_timestamp() as "clock!",
                  c.generation as "generation?", c.size as "size?", c.hash as "hash?", c.received_at as "received_at?",
                  e.hash as "acknowledged?"
             from unnest($1::int8[], $2::uuid[], $3::text[], $4::int4[], $5::int8[], $6::timestamptz[])
                  with ordinality q (lock, tenant, partition, generation, seq, received_at, n)
             left join lateral ledger.lock_head(q.lock, q.tenant, q.partition) c on true
             left join lateral (
               select e.hash from ledger.entries e
                where e.tenant = q.tenant and e.partition = q.partition and e.generation = q.generation
                  and e.seq = q.seq and e.received_at = q.received_at
               offset 0
             ) e on true
            order by q.n"#,
        &locks as &[Option<i64>],
        &tenants,
        &partitions as &[&str],
        &generations as &[Option<i32>],
        &seqs as &[Option<i64>],
        &times as &[Option<OffsetDateTime>],
    )
    .fetch_all(connection)
    .await?;
    let mut heads = Vec::with_capacity(rows.len());
    let mut clock = None;
    for row in rows {
        clock = Some(from_time(row.clock)?);
        let (Some(generation), Some(size), Some(hash), Some(received_at)) =
            (row.generation, row.size, row.hash, row.received_at)
        else {
            heads.push(None);
            continue;
        };
        heads.push(Some(Loaded {
            generation: generation.cast_unsigned(),
            head: Head {
                size: size.cast_unsigned(),
                hash: decode_hash(&hash)?,
                received_at: from_time(received_at)?,
            },
            acknowledged: row.acknowledged.as_deref().map(decode_hash).transpose()?,
        }));
    }
    let clock = clock.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Reply::Loaded { clock, heads })
}

pub(crate) async fn create(connection: &mut PgConnection, chains: &[(Key, Hash)]) -> Result<Reply> {
    let tenants: Vec<Uuid> = chains.iter().map(|(key, _)| key.tenant).collect();
    let partitions: Vec<&str> = chains.iter().map(|(key, _)| &*key.partition).collect();
    let hashes: Vec<&[u8]> = chains.iter().map(|(_, hash)| &hash.0[..]).collect();
    sqlx::query!(
        "insert into ledger.chains (tenant, partition, generation, hash)
         select tenant, partition, 1, hash from unnest($1::uuid[], $2::text[], $3::bytea[]) q (tenant, partition, hash)
         on conflict do nothing",
        &tenants,
        &partitions as &[&str],
        &hashes as &[&[u8]],
    )
    .execute(connection)
    .await?;
    Ok(Reply::Created)
}

/// The batch. In one statement, so in one transaction and one round trip:
/// - `head` locks the head rows in the order given, which is key order in every replica, and keeps
///   those that are as expected. A row that another transaction changed while this one waited is
///   compared as it is then.
/// - `taken` probes ids; a scalar subquery by the whole key, never a join, whose plan would follow the
///   statistics of a young table.
/// - `won` moves heads; ids and rows go in for those alone. The unique key of the ids has the last word
///   between replicas.
/// - session locks become the transaction's, so that they end exactly when the new heads are visible.
pub(crate) async fn swap(connection: &mut PgConnection, swap: &Swap) -> Result<Reply> {
    let chains = &swap.chains;
    let tenants: Vec<Uuid> = chains.iter().map(|c| c.key.tenant).collect();
    let partitions: Vec<&str> = chains.iter().map(|c| &*c.key.partition).collect();
    let generations: Vec<i32> = chains.iter().map(|c| c.generation.cast_signed()).collect();
    let sizes: Vec<i64> = chains
        .iter()
        .map(|c| c.expected.size.cast_signed())
        .collect();
    let hashes: Vec<&[u8]> = chains.iter().map(|c| &c.expected.hash.0[..]).collect();
    let new_sizes: Vec<i64> = chains.iter().map(|c| c.new.size.cast_signed()).collect();
    let new_hashes: Vec<&[u8]> = chains.iter().map(|c| &c.new.hash.0[..]).collect();
    let new_times: Vec<OffsetDateTime> =
        chains.iter().map(|c| to_time(c.new.received_at)).collect();

    let rows = &swap.rows;
    let row_chains: Vec<i32> = rows.iter().map(|row| ordinal(row.chain)).collect();
    let seqs: Vec<i64> = rows.iter().map(|row| row.link.seq.cast_signed()).collect();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.entry().id()).collect();
    let salts: Vec<Option<&[u8]>> = rows
        .iter()
        .map(|row| row.link.salt.as_ref().map(|s| &s.0[..]))
        .collect();
    let row_hashes: Vec<&[u8]> = rows.iter().map(|row| &row.link.hash.0[..]).collect();
    let events: Vec<&str> = rows.iter().map(|row| row.entry().event()).collect();
    let parts: Vec<Option<&str>> = rows.iter().map(|row| row.entry().parts()).collect();

    let probe_tenants: Vec<Uuid> = swap
        .probes
        .iter()
        .map(|p| chains[p.chain].key.tenant)
        .collect();
    let probe_ids: Vec<Uuid> = swap.probes.iter().map(|p| p.id).collect();
    let probe_chains: Vec<i32> = swap.probes.iter().map(|p| ordinal(p.chain)).collect();

    let row = sqlx::query_file!(
        "src/swap.sql",
        &tenants,
        &partitions as &[&str],
        &generations,
        &sizes,
        &hashes as &[&[u8]],
        &new_sizes,
        &new_hashes as &[&[u8]],
        &new_times,
        &row_chains,
        &seqs,
        &ids,
        &salts as &[Option<&[u8]>],
        &row_hashes as &[&[u8]],
        &events as &[&str],
        &parts as &[Option<&str>],
        &probe_tenants,
        &probe_ids,
        &probe_chains,
        &swap.locks,
    )
    // To the end of the reply: a row may arrive before the commit that can still fail.
    .fetch_all(connection)
    .await?
    .pop()
    .ok_or(sqlx::Error::RowNotFound)?;
    Ok(Reply::Swapped {
        clock: from_time(row.clock)?,
        won: indices(&row.won),
        taken: indices(&row.taken),
    })
}

/// SQL counts from 1.
fn ordinal(index: usize) -> i32 {
    i32::try_from(index + 1).expect("a batch has a few thousand rows")
}

fn indices(ordinals: &[i64]) -> Vec<usize> {
    let index = |&ordinal: &i64| usize::try_from(ordinal - 1).ok();
    ordinals.iter().filter_map(index).collect()
}

/// Entries by id, with the hash before them; texts only where they may be equal to what was posted.
pub(crate) async fn find(
    connection: &mut PgConnection,
    origin: &str,
    ids: &[Find],
) -> Result<Reply> {
    let tenants: Vec<Uuid> = ids.iter().map(|find| find.tenant.id).collect();
    let wanted: Vec<Uuid> = ids.iter().map(|find| find.id).collect();
    let bytes: Vec<i64> = ids.iter().map(|find| find.bytes.cast_signed()).collect();
    let rows = sqlx::query!(
        r#"select q.n as "n!", e.partition as "partition?", e.generation as "generation?", e.seq as "seq?",
                  e.received_at as "received_at?", e.salt as "salt?", e.hash as "hash?", e.event as "event?",
                  e.parts as "parts?", e.residue as "residue?", p.hash as "previous?"
             from unnest($1::uuid[], $2::uuid[], $3::int8[]) with ordinality q (tenant, id, bytes, n)
            cross join lateral (
               select * from ledger.entry_ids i where i.tenant = q.tenant and i.id = q.id offset 0
             ) i
             left join lateral (
               select * from ledger.entries e
                where e.tenant = i.tenant and e.partition = i.partition and e.generation = i.generation
                  and e.seq = i.seq and e.received_at = i.received_at and e.id = i.id
                  and octet_length(e.event) + coalesce(octet_length(e.parts), 0) <= q.bytes
               offset 0
             ) e on true
             left join lateral (
               select p.hash from ledger.entries p
                where p.tenant = e.tenant and p.partition = e.partition and p.generation = e.generation
                  and p.seq = e.seq - 1 and p.received_at <= e.received_at
                order by p.received_at desc limit 1
             ) p on true"#,
        &tenants,
        &wanted,
        &bytes,
    )
    .fetch_all(connection)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let index = usize::try_from(row.n - 1).unwrap_or_default();
        let Some(Find { tenant, id, .. }) = ids.get(index) else {
            continue;
        };
        let mut stored = None;
        if let (
            Some(partition),
            Some(generation),
            Some(seq),
            Some(received_at),
            Some(hash),
            Some(event),
        ) = (
            row.partition,
            row.generation,
            row.seq,
            row.received_at,
            row.hash,
            row.event,
        ) {
            let row = Row {
                partition,
                generation,
                seq,
                received_at,
                id: *id,
                salt: row.salt,
                hash,
                event,
                parts: row.parts,
                residue: row.residue,
                previous: row.previous,
            };
            let entry = row.into_stored(tenant, origin, seq == 0);
            stored = Some(entry.map_err(|error| sqlx::Error::Decode(error.into()))?);
        }
        let (tenant, id) = (tenant.id, *id);
        found.push(Found { tenant, id, stored });
    }
    Ok(Reply::Found(found))
}

pub(crate) async fn unlock(connection: &mut PgConnection) -> Result<Reply> {
    sqlx::query!("select pg_advisory_unlock_all()")
        .execute(connection)
        .await?;
    Ok(Reply::Unlocked)
}
