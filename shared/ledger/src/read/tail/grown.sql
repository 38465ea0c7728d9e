-- What some chains have grown by. Entries with more text than their share are left out. Rows go out as they are found:
-- nothing is sorted or kept. The time bounds what is looked into: received_at never goes down with seq.
select w.nth as "nth!", e.seq as "seq!", e.received_at as "received_at!", e.id as "id!", e.salt, e.hash as "hash!",
       e.event as "event!", e.parts, e.residue
  from unnest($1::uuid[], $2::text[], $3::int4[], $4::int8[], $5::int8[], $6::timestamptz[])
       with ordinality w (tenant, partition, generation, first, beyond, since, nth)
 cross join lateral (
   select *
     from ledger.entries t
    where t.tenant = w.tenant and t.partition = w.partition and t.generation = w.generation
      and t.seq >= w.first and t.seq < w.beyond and t.received_at >= w.since
      and octet_length(t.event) + coalesce(octet_length(t.parts), 0) + coalesce(octet_length(t.residue), 0) <= $7::int8
   offset 0
 ) e
