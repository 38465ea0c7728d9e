-- The hashes of the rows right before given places, however much older those are.
select w.n as "n!", p.hash as "hash!"
  from unnest($2::text[], $3::int4[], $4::int8[], $5::timestamptz[])
       with ordinality w (partition, generation, seq, received_at, n)
 cross join lateral (
   select p.hash from ledger.tenant_entries p
    where p.tenant = $1 and p.partition = w.partition and p.generation = w.generation
      and p.seq = w.seq - 1 and p.received_at <= w.received_at
    order by p.received_at desc
    limit 1
 ) p
