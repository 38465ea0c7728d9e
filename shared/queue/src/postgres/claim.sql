-- Takes up to $2 messages that are due: $3 seconds for whoever shows the receipt $4. Those that were
-- received $5 times without success go to the dead letters instead. Other receivers at the same moment
-- pass over the rows that are locked here.
with due as materialized (
  select id, receives
    from queue.messages
   where queue = $1 and due <= now()
   order by due
   limit $2
   for update skip locked
), dead as (
  delete from queue.messages m
   using due d
   where m.queue = $1 and m.id = d.id and d.receives >= $5
  returning m.id, m.receives, m.sent_at, m.body
), buried as (
  insert into queue.dead_letters (queue, id, receives, sent_at, reason, body)
  select $1, id, receives, sent_at, format('received %s times and never done', receives), body
    from dead
  returning 1
), leased as (
  update queue.messages m
     set due = now() + make_interval(secs => $3), receives = m.receives + 1, receipt = $4
    from due d
   where m.queue = $1 and m.id = d.id and d.receives < $5
  returning m.id, m.receives, m.body
)
select b.dead as "dead!", l.id as "id?", l.receives as "receives?", l.body as "body?"
  from (select count(*) as dead from buried) b
  left join leased l on true
