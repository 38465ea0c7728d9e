-- Messages of all queues. A row lives as briefly as its message, and each receive makes a new version of
-- it, so vacuum comes by number of changes alone and the tables stay as small as what is waiting.
create table queue.messages (
  queue text not null,
  id int8 generated always as identity,
  -- When it may be received: at once, or when its lease or pause is over.
  due timestamptz not null default now(),
  receives int4 not null default 0,
  -- Names the last receive; null before the first one and after it was given back.
  receipt uuid,
  sent_at timestamptz not null default now(),
  body text not null,
  primary key (queue, id),
  constraint messages_shape check (octet_length(body) between 1 and 262144 and receives >= 0)
) with (
  fillfactor = 70,
  autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_threshold = 500, toast.autovacuum_vacuum_scale_factor = 0
);

create index messages_due on queue.messages (queue, due);

-- What nobody could work on. Kept until a person decides.
create table queue.dead_letters (
  queue text not null,
  id int8 not null,
  receives int4 not null,
  sent_at timestamptz not null,
  buried_at timestamptz not null default now(),
  reason text not null,
  body text not null,
  primary key (queue, id)
);

-- Puts dead letters of a queue back, the oldest first, as if they were sent now; returns how many. For
-- people who have removed the reason: no service may call it.
create function queue.requeue(of_queue text, at_most int8 default 1000) returns int8
  language sql volatile
  set search_path = pg_catalog
as $$
  with gone as (
    delete from queue.dead_letters d using (
      select id from queue.dead_letters where queue = of_queue order by id limit at_most for update skip locked
    ) oldest
     where d.queue = of_queue and d.id = oldest.id
    returning d.body
  ), sent as (
    insert into queue.messages (queue, body) select of_queue, body from gone returning 1
  )
  select count(*) from sent
$$;

revoke all on function queue.requeue from public;
grant usage on schema queue to veritrail_queue;
grant select, delete on queue.messages to veritrail_queue;
grant insert (queue, body) on queue.messages to veritrail_queue;
grant update (due, receives, receipt) on queue.messages to veritrail_queue;
grant select, insert on queue.dead_letters to veritrail_queue;
