-- Everything stored of a partition in key order, with what the id table says, the chain's row and the
-- row before the page: all of one snapshot, and one row at least, so that the head comes also alone.
-- Two ranges of the key instead of one comparison of rows, which the planner takes for one row and sorts.
with page as (
  select r.*
    from (
      (select e.*
         from ledger.tenant_entries e
        where e.tenant = $1 and e.partition = $2 and e.generation = $3
          and e.seq >= $4 and (e.seq, e.received_at) > ($4, $5)
        order by e.seq, e.received_at
        limit $6)
      union all
      (select e.*
         from ledger.tenant_entries e
        where e.tenant = $1 and e.partition = $2 and e.generation > $3
        order by e.generation, e.seq, e.received_at
        limit $6)
    ) r
   order by r.generation, r.seq, r.received_at
   limit $6
), bounded as (
  select p.*, row_number() over keys as n,
         lag(p.hash) over keys as row_before, lag(p.generation) over keys as generation_before,
         coalesce(sum(octet_length(p.event) + coalesce(octet_length(p.parts), 0) + coalesce(octet_length(p.residue), 0))
           over (keys rows between unbounded preceding and 1 preceding), 0) as before
    from page p
  window keys as (order by p.generation, p.seq, p.received_at)
), start as (
  select e.generation, e.hash
    from ledger.tenant_entries e
   where e.tenant = $1 and e.partition = $2 and e.generation <= $3
     and (e.generation, e.seq, e.received_at) <= ($3, $4, $5)
   order by e.generation desc, e.seq desc, e.received_at desc
   limit 1
)
select c.generation as "head_generation?", c.size as "head_size?", c.hash as "head_hash?", c.received_at as "head_received_at?",
       b.generation as "generation?", b.seq as "seq?", b.received_at as "received_at?", b.id as "id?", b.salt as "salt?",
       b.hash as "hash?", b.event as "event?", b.parts as "parts?", b.residue as "residue?",
       coalesce(b.row_before, s.hash) as "before?", coalesce(b.generation_before, s.generation) as "before_generation?",
       i.partition as "id_partition?", i.generation as "id_generation?", i.seq as "id_seq?", i.received_at as "id_received_at?",
       (select count(*) from page) as "there!"
  from (select true) one
  left join ledger.tenant_chains c on c.tenant = $1 and c.partition = $2
  left join bounded b on b.before < $7
  left join start s on b.n = 1
  left join lateral (
    select * from ledger.tenant_entry_ids i where i.tenant = $1 and i.id = b.id offset 0
  ) i on true
 order by b.generation, b.seq, b.received_at
