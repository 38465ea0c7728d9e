//! Counts of the index over real records, beside counts that PostgreSQL makes of the ledger's rows.

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::veritrail::{Place, Up};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sample/cloudtrail.json.gz");
const ENTRIES: i64 = 1_933;

/// As if they had been received over the last 241 days: a clock that changes does so within 217.
const SPREAD: &str = "set session_replication_role = replica;
    update ledger.entries set received_at = received_at - (1932 - seq) * interval '3 hours'
     where partition = 'default'";
/// From here on the ledger would count something else.
const SPOIL: &str = "set session_replication_role = replica;
    update ledger.entries set event = replace(event, '\"action\":\"', '\"action\":\"spoiled.')
     where partition = 'default'";

/// Each with the member of the answer that it stands for.
const GROUPINGS: [(&str, &str); 5] = [
    (
        "actions",
        "select e.event::jsonb ->> 'action' from ledger.entries e
          where e.partition = 'default' and e.seq < $1",
    ),
    (
        "actors",
        "select (e.event::jsonb #>> '{actor,type}') || ':' || (e.event::jsonb #>> '{actor,id}') from ledger.entries e
          where e.partition = 'default' and e.seq < $1",
    ),
    (
        "severities",
        "select coalesce(e.event::jsonb ->> 'severity', 'info') from ledger.entries e
          where e.partition = 'default' and e.seq < $1",
    ),
    (
        "outcomes",
        "select e.event::jsonb #>> '{outcome,status}' from ledger.entries e
          where e.partition = 'default' and e.seq < $1 and e.event::jsonb #>> '{outcome,status}' is not null",
    ),
    (
        "target_types",
        "select t.kind from (
           select distinct e.seq, target ->> 'type' as kind
             from ledger.entries e, jsonb_array_elements(e.event::jsonb -> 'targets') target
            where e.partition = 'default' and e.seq < $1) t",
    ),
];

/// The hours of the last forty days.
const HOURS: &str = "with bounds as (
      select date_trunc('second', max(received_at)) - interval '40 days' as first,
             max(received_at) as last
        from ledger.entries where partition = 'default' and seq < $1
    ), hours as (
      select h as begins, h + interval '1 hour' as ends, first
        from bounds, generate_series(date_trunc('hour', first, 'UTC'), last, interval '1 hour') h
    )
    select to_char(begins at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
           to_char(ends at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
           (select count(*) from ledger.entries e
             where e.partition = 'default' and e.seq < $1
               and e.received_at >= greatest(begins, first) and e.received_at < ends),
           extract(epoch from ends - begins)::int8
      from hours order by begins";
const FORTY_DAYS_AGO: &str = "select to_char(
      (date_trunc('second', max(received_at)) - interval '40 days') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
      from ledger.entries where partition = 'default' and seq < $1";
/// The days of a clock that changes.
const DAYS: &str = "with bounds as (
      select date_trunc('day', min(received_at) at time zone 'Europe/Berlin') as first,
             date_trunc('day', max(received_at) at time zone 'Europe/Berlin') as last
        from ledger.entries where partition = 'default' and seq < $1
    ), days as (
      select d at time zone 'Europe/Berlin' as begins, (d + interval '1 day') at time zone 'Europe/Berlin' as ends
        from bounds, generate_series(first, last, interval '1 day') d
    )
    select to_char(begins at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
           to_char(ends at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
           (select count(*) from ledger.entries e
             where e.partition = 'default' and e.seq < $1 and e.received_at >= begins and e.received_at < ends),
           extract(epoch from ends - begins)::int8
      from days order by begins";

/// Most frequent first, then in the order of their bytes.
type Counted = Vec<(String, i64)>;

async fn counted(database: &mut PgConnection, values: &str) -> Counted {
    let sql = format!(
        "select value, count(*) from ({values}) v (value)
          group by value order by count(*) desc, value collate \"C\""
    );
    let counted = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(ENTRIES);
    counted.fetch_all(database).await.unwrap()
}

/// Begin, end and count of each bucket, and its length in seconds.
async fn bucketed(database: &mut PgConnection, sql: &'static str) -> (Value, Vec<i64>) {
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(sql)
        .bind(ENTRIES)
        .fetch_all(database)
        .await
        .unwrap();
    let buckets = rows
        .iter()
        .map(|(from, to, count, _)| json!({"from": from, "to": to, "count": count}));
    let buckets = buckets.collect();
    (buckets, rows.iter().map(|row| row.3).collect())
}

async fn stats(place: &Place, up: &Up, query: &str) -> Value {
    let profile = place.path.join("config/veritrail/profiles/default.json");
    let profile: Value = serde_json::from_slice(&std::fs::read(profile).unwrap()).unwrap();
    let token = profile["tokens"]["access_token"].as_str().unwrap();
    let address = up.address.trim_end_matches('/');
    let url = format!("{address}/api/v1/logs/stats?partition=default&{query}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).bearer_auth(token).send().await.unwrap();
    let status = answer.status();
    let stats: Value = answer.json().await.unwrap();
    assert_eq!(status, 200, "{stats}");
    assert_eq!(stats["complete"], true, "{query}");
    assert_eq!(stats["counted"][0]["to"], ENTRIES, "{query}");
    assert!(!stats.to_string().contains("spoiled"), "not the index's");
    stats
}

/// The values of one grouping, and the sum over all others.
fn shown(counts: &Value) -> (Counted, i64) {
    let top = counts["top"].as_array().unwrap().iter();
    let top = top.map(|count| {
        let text = |member: &str| count[member].as_str().unwrap();
        let value = match count.get("value") {
            Some(_) => text("value").to_owned(),
            None => format!("{}:{}", text("type"), text("id")),
        };
        (value, count["count"].as_i64().unwrap())
    });
    (top.collect(), counts["others"].as_i64().unwrap())
}

#[tokio::test]
async fn counts_of_the_index_are_those_of_the_rows() {
    let place = Place::new();
    let up = place.up_with(&["--no-index"]);
    place.run(&["login"]).good();
    place.run(&["import", "cloudtrail", SAMPLE]).good();
    let mut database = place.database().await;
    database.execute(SPREAD).await.unwrap();
    database.close().await.unwrap();
    let address = up.address.clone();
    assert_eq!(up.interrupt(), 0);

    let up = place.up_again(&address);
    place.until_indexed().await;
    let mut database = place.database().await;
    let mut expected = Vec::new();
    for (member, values) in GROUPINGS {
        expected.push((member, counted(&mut database, values).await));
    }
    let (hours, _) = bucketed(&mut database, HOURS).await;
    let (days, lengths) = bucketed(&mut database, DAYS).await;
    assert!(lengths.iter().any(|seconds| *seconds != 86_400));
    let from: String = sqlx::query_scalar(FORTY_DAYS_AGO)
        .bind(ENTRIES)
        .fetch_one(&mut database)
        .await
        .unwrap();
    database.execute(SPOIL).await.unwrap();
    database.close().await.unwrap();

    for top in [3, 100] {
        let stats = stats(&place, &up, &format!("top={top}")).await;
        assert_eq!(stats["total"], ENTRIES);
        for (member, counts) in &expected {
            let (first, others) = counts.split_at(top.min(counts.len()));
            let others: i64 = others.iter().map(|(_, count)| count).sum();
            assert_eq!(shown(&stats[member]), (first.to_vec(), others), "{member}");
        }
    }
    let by_day = stats(&place, &up, "interval=day&time_zone=Europe/Berlin").await;
    assert_eq!(by_day["histogram"], days);
    let by_hour = stats(&place, &up, &format!("interval=hour&from={from}")).await;
    assert_eq!(by_hour["histogram"], hours);
    assert_eq!(up.interrupt(), 0);
}
