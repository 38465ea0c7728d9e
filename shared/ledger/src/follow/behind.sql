-- Chains whose cursor is below the head, out of one page of heads; and the page's last head, so that
-- the next page can begin after it. An old generation ends where its rows end.
with page as materialized (
  select h.*, row_number() over (order by h.tenant, h.partition) as n
    from (
      select * from ledger.heads h
       where (h.tenant, h.partition) > ($2::uuid, $3::text)
       order by h.tenant, h.partition
       limit $4::int8
    ) h
)
select p.tenant as "tenant!", p.partition as "partition!", g.generation as "generation!",
       k.next as "next!", k.received_at as "received_at!", s.size as "size!",
       coalesce(e.received_at, p.received_at) as "since!",
       coalesce(f.epoch, 0) as "epoch!", coalesce(f.held_until > now(), false) as "held!",
       p.n = $4 and g.generation = p.generation as "last!"
  from page p
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
      and e.seq = k.next and e.received_at >= k.received_at and k.next < s.size
    order by e.received_at
    limit 1
  ) e on true
  left join ledger.fences f on f.follower = $1 and f.tenant = p.tenant
 where k.next < s.size or (p.n = $4 and g.generation = p.generation)
 order by p.tenant, p.partition, g.generation
