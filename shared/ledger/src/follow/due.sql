-- The same as behind.sql for one chain.
select p.tenant as "tenant!", p.partition as "partition!", g.generation as "generation!",
       k.next as "next!", k.received_at as "received_at!", s.size as "size!",
       coalesce(e.received_at, p.received_at) as "since!",
       coalesce(f.epoch, 0) as "epoch!", coalesce(f.held_until > now(), false) as "held!",
       false as "last!"
  from ledger.heads p
 cross join lateral generate_series(1, p.generation) g (generation)
 cross join lateral (
   select coalesce(max(k.next), 0) as next, coalesce(max(k.received_at), '0001-01-01 00:00:00+00') as received_at
     from ledger.cursors k
    where k.follower = $1 and k.tenant = p.tenant and k.partition = p.partition and k.generation = g.generation
 ) k
 cross join lateral (
   select case when g.generation = p.generation then p.size else coalesce((
            select e.seq + 1 from ledger.followed_entries e
             where e.tenant = p.tenant and e.partition = p.partition and e.generation = g.generation
             order by e.seq desc limit 1), 0) end as size
 ) s
  left join lateral (
   select e.received_at from ledger.followed_entries e
    where e.tenant = p.tenant and e.partition = p.partition and e.generation = g.generation
      and e.seq = k.next and e.received_at >= k.received_at
    order by e.received_at
    limit 1
  ) e on true
  left join ledger.fences f on f.follower = $1 and f.tenant = p.tenant
 where p.tenant = $2 and p.partition = $3 and k.next < s.size
 order by g.generation
