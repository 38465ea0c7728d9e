-- Entries at given places, in the order given. Sizes come first, so that the texts are read of those
-- rows alone that are given out.
with there as materialized (
  select w.n, k.bytes
    from unnest($2::text[], $3::int4[], $4::int8[], $5::timestamptz[]) with ordinality w (partition, generation, seq, received_at, n)
   cross join lateral (
     select octet_length(e.event) + coalesce(octet_length(e.parts), 0) + coalesce(octet_length(e.residue), 0) as bytes
       from ledger.tenant_entries e
      where e.tenant = $1 and e.partition = w.partition and e.generation = w.generation
        and e.seq = w.seq and e.received_at = w.received_at
     offset 0
   ) k
), bounded as (
  select t.n, coalesce(sum(t.bytes) over (order by t.n rows between unbounded preceding and 1 preceding), 0) as before
    from there t
)
select w.n as "n!", (select count(*) from there) as "there!",
       e.partition as "partition!", e.seq as "seq!", e.generation as "generation!", e.received_at as "received_at!", e.id as "id!",
       e.salt, e.hash as "hash!", e.event as "event!", e.parts, e.residue, p.hash as "previous?"
  from bounded b
  join unnest($2::text[], $3::int4[], $4::int8[], $5::timestamptz[]) with ordinality w (partition, generation, seq, received_at, n) on w.n = b.n
 cross join lateral (
   select * from ledger.tenant_entries e
    where e.tenant = $1 and e.partition = w.partition and e.generation = w.generation
      and e.seq = w.seq and e.received_at = w.received_at
   offset 0
 ) e
  left join lateral (
   select p.hash from ledger.tenant_entries p
    where p.tenant = $1 and p.partition = w.partition and p.generation = w.generation
      and p.seq = w.seq - 1 and p.received_at <= w.received_at
    order by p.received_at desc
    limit 1
  ) p on true
 where b.before < $6
 order by w.n
