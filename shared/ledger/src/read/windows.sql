-- Where a time begins in each chain: received_at never goes down with seq, so it is found by halving.
-- The times met on the way bound the next lookup, which spares most of a hypertable's chunks.
with recursive bounds as (
  select c.partition, c.generation, c.size, b.which, b.at
    from ledger.tenant_chains c cross join (values ('first', $3::timestamptz), ('beyond', $4::timestamptz)) b (which, at)
   where c.tenant = $1 and (cardinality($2::text[]) = 0 or c.partition = any ($2))
), search as (
  select partition, generation, which, at, 0::int8 as low, size as high,
         '-infinity'::timestamptz as after, 'infinity'::timestamptz as until
    from bounds where at is not null
  union all
  select s.partition, s.generation, s.which, s.at,
         case when e.received_at < s.at then m.middle + 1 else s.low end,
         case when e.received_at < s.at then s.high else m.middle end,
         case when e.received_at < s.at then e.received_at else s.after end,
         case when e.received_at >= s.at then e.received_at else s.until end
    from search s
   cross join lateral (select (s.low + s.high) / 2 as middle) m
    left join lateral (
      select t.received_at from ledger.tenant_entries t
       where t.tenant = $1 and t.partition = s.partition and t.generation = s.generation and t.seq = m.middle
         and t.received_at >= s.after and t.received_at <= s.until
       limit 1
    ) e on true
   where s.low < s.high
), met as (
  select partition, generation, which, low from search where low >= high
)
select c.partition as "partition!", c.generation as "generation!",
       coalesce((select m.low from met m where m.partition = c.partition and m.which = 'first'), 0) as "first!",
       coalesce((select m.low from met m where m.partition = c.partition and m.which = 'beyond'), c.size) as "beyond!"
  from ledger.tenant_chains c
 where c.tenant = $1 and (cardinality($2::text[]) = 0 or c.partition = any ($2))
 order by c.partition collate "C"
