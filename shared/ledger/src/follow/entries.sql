-- One page of a chain from a cursor on, bounded in rows and bytes; a first row comes however large.
select e.seq as "seq!", e.id as "id!", e.event as "event!", e.parts, e.residue,
       case when e.received_at >= '0001-01-01 00:00:00+00' and e.received_at < '10000-01-01 00:00:00+00'
            then e.received_at end as received_at
  from (
    select k.*,
           coalesce(sum(k.bytes) over (order by k.seq rows between unbounded preceding and 1 preceding), 0) as before
      from (
        select t.*, octet_length(t.event) + coalesce(octet_length(t.parts), 0) + coalesce(octet_length(t.residue), 0) as bytes
          from ledger.followed_entries t
         where t.tenant = $1 and t.partition = $2 and t.generation = $3
           and t.seq >= $4::int8 and t.seq < $5::int8 and t.received_at >= $6
         order by t.seq
         limit $7::int8
      ) k
  ) e
 where e.before < $8::int8
 order by e.seq
