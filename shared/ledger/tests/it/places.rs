//! Entries at places that somebody else found, on connections that are there before the places are known.

use std::time::Duration;

use chain::{Stored, Timestamp};
use ledger::{Error, Ledger, Limit, Order, Place, Range, Tenant};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Database, append, entry, tamper, tenant};

const FOLLOWER: &str = "visible";
const MOST: u64 = 1 << 20;

/// Two chains of 40 and 20 entries, and these entries in no order.
async fn filled(ledger: &Ledger, tenant: &Tenant) -> Vec<Stored> {
    ledger.create_partition(tenant, "orders").await.unwrap();
    for (partition, count) in [("default", 40), ("orders", 20)] {
        let entries = (0..count).map(|n| entry(partition, n)).collect();
        append(ledger, tenant, partition, entries).await.unwrap();
    }
    let mut all = chain(ledger, tenant, "orders").await;
    all.extend(chain(ledger, tenant, "default").await);
    all
}

async fn chain(ledger: &Ledger, tenant: &Tenant, partition: &str) -> Vec<Stored> {
    let range = Range {
        generation: None,
        from: 0,
        to: 100,
        order: Order::Descending,
        limit: Limit {
            rows: 100,
            bytes: MOST,
        },
    };
    ledger.range(tenant, partition, range).await.unwrap()
}

fn place(entry: &Stored) -> Place {
    Place {
        partition: entry.partition.clone(),
        generation: entry.generation,
        seq: entry.seq,
        received_at: entry.received_at,
    }
}

/// What is there, and how many places that is.
async fn at(
    ledger: &Ledger,
    tenant: &Tenant,
    places: &[Place],
    limit: u64,
) -> Result<(Vec<Stored>, usize), Error> {
    let mut view = ledger.view(tenant).await?;
    let read = view.at(places, limit, FOLLOWER, |entry| entry).await?;
    assert_eq!(read.epoch, 0);
    Ok((read.entries, read.covered))
}

#[sqlx::test(migrations = false)]
async fn what_is_there_in_the_order_asked_for(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let (acme, acme_eu) = (tenant("acme"), tenant("acme-eu"));
    let all = filled(&ledger, &acme).await;
    let places: Vec<_> = all.iter().map(place).collect();
    let read = async |places: &[Place]| at(&ledger, &acme, places, MOST).await.unwrap();

    assert_eq!(read(&places).await, (all.clone(), 60));
    assert_eq!(read(&places[7..9]).await, (all[7..9].to_vec(), 2));
    assert_eq!(read(&[]).await, (vec![], 0));
    // As often as it is asked for.
    let twice = [places[3].clone(), places[2].clone(), places[3].clone()];
    let entries = [3, 2, 3].map(|n: usize| all[n].clone()).to_vec();
    assert_eq!(read(&twice).await, (entries, 3));

    // What is not there is passed over, wherever it stands, and counts as read.
    let mut wrong = places.clone();
    wrong[3].partition = "elsewhere".to_owned();
    wrong[29].seq += 1_000;
    wrong[30].generation += 1;
    for n in [20, 59] {
        let later = all[n].received_at.as_micros() + 1;
        wrong[n].received_at = Timestamp::from_micros(later).unwrap();
    }
    let mut there = all.clone();
    for n in [59, 30, 29, 20, 3] {
        there.remove(n);
    }
    assert_eq!(read(&wrong).await, (there, 60));

    let foreign = at(&ledger, &acme_eu, &places, MOST).await.unwrap();
    assert_eq!(foreign, (vec![], 60));
}

#[sqlx::test(migrations = false)]
async fn as_many_as_have_the_bytes_asked_for(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let all = filled(&ledger, &acme).await;
    let places: Vec<_> = all.iter().map(place).collect();
    for limit in [0, 1, 700, 5_000, 20_000] {
        let mut read = Vec::new();
        let mut covered = 0;
        while covered < places.len() {
            let next = at(&ledger, &acme, &places[covered..], limit).await;
            let (entries, more) = next.unwrap();
            let texts =
                |entry: &Stored| entry.event.len() + entry.parts.as_ref().map_or(0, String::len);
            let before_last: usize = entries.iter().rev().skip(1).map(texts).sum();
            let all_of_it: usize = entries.iter().map(texts).sum();
            read.extend(entries);
            covered += more;
            assert!(more > 0 && (before_last as u64) < limit.max(1), "{limit}");
            assert!(
                covered == places.len() || all_of_it as u64 >= limit,
                "{limit}"
            );
        }
        assert_eq!(read, all, "{limit}");
    }
}

#[sqlx::test(migrations = false)]
async fn the_hash_before_however_old(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let all = filled(&ledger, &acme).await;
    // Everything before entry 30 was received two days earlier, everything before 20 four years.
    tamper(
        &database.pool,
        "with moved as (delete from ledger.entries where partition = 'default' and seq < 30 returning *)
         insert into ledger.entries (tenant, id, seq, received_at, generation, partition, salt, hash, event, parts, residue)
         select tenant, id, seq, received_at - case when seq < 20 then interval '4 years' else interval '2 days' end,
                generation, partition, salt, hash, event, parts, residue
           from moved",
    )
    .await;
    let moved = chain(&ledger, &acme, "default").await;
    let places: Vec<_> = moved.iter().map(place).collect();
    let (read, covered) = at(&ledger, &acme, &places, MOST).await.unwrap();
    assert_eq!((&read, covered), (&moved, 40));
    let hashes = |entries: &[Stored]| entries.iter().map(|e| e.previous).collect::<Vec<_>>();
    assert_eq!(hashes(&read), hashes(&all[20..]));
    // Also of a page that ends early.
    let (page, covered) = at(&ledger, &acme, &places[5..], 6_000).await.unwrap();
    assert!((7..35).contains(&covered), "{covered}");
    assert_eq!(page, moved[5..5 + covered]);

    // Where nothing comes before, no hash does; the entry is there all the same.
    tamper(
        &database.pool,
        "delete from ledger.entries where partition = 'default' and seq in (9, 19, 34)",
    )
    .await;
    let (read, covered) = at(&ledger, &acme, &places, MOST).await.unwrap();
    assert_eq!((read.len(), covered), (37, 40));
    let lost = read.iter().filter(|entry| entry.previous.0 == [0; 32]);
    assert_eq!(lost.map(|e| e.seq).collect::<Vec<_>>(), [35, 20, 10]);
}

#[sqlx::test(migrations = false)]
async fn the_epoch_is_that_of_the_moment(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let all = filled(&ledger, &acme).await;
    let places: Vec<_> = all.iter().map(place).collect();
    let followed = ledger::Followed::new(ledger::follow::Config::new(database.url.clone().into()));
    let followed = followed.unwrap();
    let epoch = async |tenant: &Tenant, follower: &str, places: &[Place]| {
        let mut view = ledger.view(tenant).await.unwrap();
        let read = view.at(places, MOST, follower, drop).await.unwrap();
        read.epoch
    };
    // The view is there before, as it is when the places are not known yet.
    let mut ahead = ledger.view_ahead(&acme).await.unwrap().unwrap();
    let hour = Duration::from_hours(1);
    followed
        .hold(&[FOLLOWER], acme.id, &[], hour)
        .await
        .unwrap();
    let now = ledger.epoch(FOLLOWER, acme.id).await.unwrap();
    assert_ne!(now, 0);
    let read = ahead.at(&places, MOST, FOLLOWER, drop).await.unwrap();
    assert_eq!((read.epoch, read.entries.len()), (now, 60));
    assert_eq!(epoch(&acme, FOLLOWER, &[]).await, now);
    assert_eq!(epoch(&acme, "another", &places).await, 0);
    assert_eq!(epoch(&globex, FOLLOWER, &places).await, 0);
}

#[sqlx::test(migrations = false)]
async fn waiting_views_leave_half_of_the_connections(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut config = database.config();
    config.readers = 5;
    config.acquire_timeout = Duration::from_mins(1);
    let ledger = Ledger::start(config).await.unwrap();
    let acme = tenant("acme");
    let first = ledger.view_ahead(&acme).await.unwrap();
    let second = ledger.view_ahead(&acme).await.unwrap();
    assert!(first.is_some() && second.is_some());
    assert!(ledger.view_ahead(&acme).await.unwrap().is_none());
    // The others are to be had, at once.
    let mut views = Vec::new();
    for _ in 0..3 {
        views.push(ledger.view(&acme).await.unwrap());
    }
    drop(views);
    assert!(ledger.by_id(&acme, Uuid::now_v7()).await.unwrap().is_none());
    // A view that is given back makes room for the next one.
    drop(first);
    assert!(ledger.view_ahead(&acme).await.unwrap().is_some());
}
