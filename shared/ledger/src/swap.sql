with head as materialized (
  select q.n, c.tid, q.tenant, q.partition, q.generation, q.new_size, q.new_hash, q.new_received_at
    from unnest($1::uuid[], $2::text[], $3::int4[], $4::int8[], $5::bytea[], $6::int8[], $7::bytea[], $8::timestamptz[])
         with ordinality q (tenant, partition, generation, size, hash, new_size, new_hash, new_received_at, n)
   cross join lateral (
     select c.ctid as tid, c.generation, c.size, c.hash from ledger.chains c
      where c.tenant = q.tenant and c.partition = q.partition
        for no key update
   ) c
   where c.generation = q.generation and c.size = q.size and c.hash = q.hash
), taken as materialized (
  select q.chain, q.n from unnest($16::uuid[], $17::uuid[], $18::int4[]) with ordinality q (tenant, id, chain, n)
   where (select true from ledger.entry_ids i where i.tenant = q.tenant and i.id = q.id)
), won as (
  -- The row's own place, so that no plan can scan for it.
  update ledger.chains c
     set size = h.new_size, hash = h.new_hash, received_at = h.new_received_at
    from head h
   where c.ctid = any (array(select tid from head)) and c.ctid = h.tid
     and not exists (select from taken t where t.chain = h.n)
  returning h.n, h.tenant, h.partition, h.generation, h.new_received_at as received_at
), ids as (
  insert into ledger.entry_ids (tenant, id, seq, received_at, generation, partition)
  select w.tenant, q.id, q.seq, w.received_at, w.generation, w.partition
    from unnest($9::int4[], $10::int8[], $11::uuid[]) q (chain, seq, id) join won w on w.n = q.chain
), added as (
  insert into ledger.entries (tenant, id, seq, received_at, generation, partition, salt, hash, event, parts)
  select w.tenant, q.id, q.seq, w.received_at, w.generation, w.partition, q.salt, q.hash, q.event, q.parts
    from unnest($9::int4[], $10::int8[], $11::uuid[], $12::bytea[], $13::bytea[], $14::text[], $15::text[])
         q (chain, seq, id, salt, hash, event, parts) join won w on w.n = q.chain
)
select clock_timestamp() as "clock!",
       array(select n from won) as "won!",
       array(select n from taken) as "taken!",
       (select count(pg_advisory_xact_lock(l)) + count(pg_advisory_unlock(l)) from unnest($19::int8[]) l) as "locks!"
