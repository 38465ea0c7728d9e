-- Like grown.sql, of each chain so many rows and bytes from its first entry on, whatever their size.
select w.nth as "nth!", e.seq as "seq!", e.received_at as "received_at!", e.id as "id!", e.salt, e.hash as "hash!",
       e.event as "event!", e.parts, e.residue
  from unnest($1::uuid[], $2::text[], $3::int4[], $4::int8[], $5::int8[], $6::timestamptz[])
       with ordinality w (tenant, partition, generation, first, beyond, since, nth)
 cross join lateral (
   select b.*
     from (
       select k.*, coalesce(sum(k.bytes) over (order by k.seq rows between unbounded preceding and 1 preceding), 0) as before
         from (
           select t.*, octet_length(t.event) + coalesce(octet_length(t.parts), 0) + coalesce(octet_length(t.residue), 0) as bytes
             from ledger.entries t
            where t.tenant = w.tenant and t.partition = w.partition and t.generation = w.generation
              and t.seq >= w.first and t.seq < w.beyond and t.received_at >= w.since
            order by t.seq
            limit $7::int8
         ) k
     ) b
    where b.before < $8::int8
 ) e
