-- The rows at given places, and the hashes alone of those right before them: found with one look into the key, in the
-- order of the places, each as soon as it is found. `since` bounds how much older a row before may be, so that most of a
-- hypertable's chunks are skipped. The plan has few steps, since each is set up anew for each page.
select w.n as "n!", t.hash as "hash!",
       case when t.seq = w.seq then t.id end as id,
       case when t.seq = w.seq then t.salt end as salt,
       case when t.seq = w.seq then t.event end as event,
       case when t.seq = w.seq then t.parts end as parts,
       case when t.seq = w.seq then t.residue end as residue,
       coalesce((select f.epoch from ledger.fences f where f.follower = $7 and f.tenant = $1), 0) as "epoch!"
  from unnest($2::text[], $3::int4[], $4::int8[], $5::timestamptz[], $6::timestamptz[])
       with ordinality w (partition, generation, seq, received_at, since, n)
 cross join lateral (
   select * from ledger.tenant_entries t
    where t.tenant = $1 and t.partition = w.partition and t.generation = w.generation
      and t.seq >= w.seq - 1 and t.seq <= w.seq and t.received_at >= w.since and t.received_at <= w.received_at
      and (t.seq < w.seq or t.received_at = w.received_at)
   offset 0
 ) t
 order by w.n
