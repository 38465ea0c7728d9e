-- One page over windows of several chains, newest first. Keys and sizes come first, so that the texts
-- are read of those rows alone that are given out.
with page as materialized (
  select k.*
    from unnest($2::text[], $3::int4[], $4::int8[], $5::int8[]) w (partition, generation, first, beyond)
   cross join lateral (
     select e.partition, e.generation, e.seq, e.received_at,
            octet_length(e.event) + coalesce(octet_length(e.parts), 0) + coalesce(octet_length(e.residue), 0) as bytes
       from ledger.tenant_entries e
      where e.tenant = $1 and e.partition = w.partition and e.generation = w.generation
        and e.seq >= w.first and e.seq < w.beyond
        and e.received_at >= coalesce($6, '-infinity'::timestamptz) and e.received_at < coalesce($7, 'infinity'::timestamptz)
      order by e.seq desc
      limit $8
   ) k
   order by k.received_at desc, k.partition collate "C" desc, k.generation desc, k.seq desc
   limit $8
), bounded as (
  select p.*, coalesce(sum(p.bytes) over (
           order by p.received_at desc, p.partition collate "C" desc, p.generation desc, p.seq desc
           rows between unbounded preceding and 1 preceding), 0) as before
    from page p
)
select e.partition as "partition!", e.seq as "seq!", e.generation as "generation!", e.received_at as "received_at!", e.id as "id!", e.salt,
       e.hash as "hash!", e.event as "event!", e.parts, e.residue, p.hash as "previous?"
  from bounded b
 cross join lateral (
   select * from ledger.tenant_entries e
    where e.tenant = $1 and e.partition = b.partition and e.generation = b.generation and e.seq = b.seq and e.received_at = b.received_at
   offset 0
 ) e
  left join lateral (
   select p.hash from ledger.tenant_entries p
    where p.tenant = $1 and p.partition = b.partition and p.generation = b.generation
      and p.seq = b.seq - 1 and p.received_at <= b.received_at
    order by p.received_at desc
    limit 1
  ) p on true
 where b.before < $9
 order by b.received_at desc, b.partition collate "C" desc, b.generation desc, b.seq desc
