-- Entries at given places, in the order given. Their sizes say where to stop; texts that are stored apart are read of
-- those rows alone that are given out.
select e.n as "n!", e.there as "there!",
       e.partition as "partition!", e.seq as "seq!", e.generation as "generation!", e.received_at as "received_at!", e.id as "id!",
       e.salt, e.hash as "hash!", e.event as "event!", e.parts, e.residue,
       (select p.hash from ledger.tenant_entries p
         where p.tenant = $1 and p.partition = e.partition and p.generation = e.generation
           and p.seq = e.seq - 1 and p.received_at <= e.received_at
         order by p.received_at desc
         limit 1) as "previous?"
  from (
    select w.n, k.*, count(*) over () as there,
           coalesce(sum(octet_length(k.event) + coalesce(octet_length(k.parts), 0) + coalesce(octet_length(k.residue), 0))
             over (order by w.n rows between unbounded preceding and 1 preceding), 0) as before
      from unnest($2::text[], $3::int4[], $4::int8[], $5::timestamptz[]) with ordinality w (partition, generation, seq, received_at, n)
     cross join lateral (
       select * from ledger.tenant_entries t
        where t.tenant = $1 and t.partition = w.partition and t.generation = w.generation
          and t.seq = w.seq and t.received_at = w.received_at
       offset 0
     ) k
  ) e
 where e.before < $6
 order by e.n
