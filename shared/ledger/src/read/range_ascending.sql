-- One page of a chain, oldest first. `previous` comes from the row before, which is read along.
select e.seq as "seq!", e.generation as "generation!", e.received_at as "received_at!", e.id as "id!", e.salt,
       e.hash as "hash!", e.event as "event!", e.parts, e.residue, e.previous as "previous?"
  from (
    select k.*,
           case when lag(k.seq) over pages = k.seq - 1 then lag(k.hash) over pages end as previous,
           coalesce(sum(k.bytes) filter (where k.seq >= $4) over (pages rows between unbounded preceding and 1 preceding), 0) as before
      from (
        select t.*, octet_length(t.event) + coalesce(octet_length(t.parts), 0) + coalesce(octet_length(t.residue), 0) as bytes
          from ledger.tenant_entries t
         where t.tenant = $1 and t.partition = $2
           and t.generation = coalesce($3, (select c.generation from ledger.tenant_chains c where c.tenant = $1 and c.partition = $2))
           and t.seq >= $4::int8 - 1 and t.seq < $5::int8
         order by t.seq
         limit $6::int8 + 1
      ) k
    window pages as (order by k.seq)
  ) e
 where e.seq >= $4 and e.before < $7
 order by e.seq
 limit $6
