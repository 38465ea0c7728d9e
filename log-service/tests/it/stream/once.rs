//! However many follow a chain: it is read once.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::Instant;

use super::client::{Socket, place};
use crate::auth::A;
use crate::world::{EVERYTHING, World};

/// The shortest time from one look of the tailer to the next.
const TICK: Duration = Duration::from_millis(6);
/// The server's statistics of a connection are at most a second old while it is used; so many looks take longer.
const LOOKS: i64 = 300;
const APPENDS: i64 = 10;
const DEADLINE: Duration = Duration::from_mins(1);

/// How often the tables of chains and of entries were scanned since the database was made.
#[derive(Clone, Copy)]
struct Scans {
    chains: i64,
    entries: i64,
}

impl Scans {
    async fn now(connection: &mut PgConnection) -> Self {
        let of = |tables: &str| {
            AssertSqlSafe(format!(
                "select coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)::int8
                   from pg_stat_user_tables where {tables}"
            ))
        };
        let chains = sqlx::query_scalar(of("schemaname = 'ledger' and relname = 'chains'"))
            .fetch_one(&mut *connection);
        let chains = chains.await.unwrap();
        let entries = sqlx::query_scalar(of(
            "relname like 'entries%' or relname like '_hyper_%_chunk'",
        ));
        let entries = entries.fetch_one(&mut *connection).await.unwrap();
        Self { chains, entries }
    }

    /// After so many more looks at the chains.
    async fn after_looks(connection: &mut PgConnection) -> Self {
        let first = Self::now(connection).await;
        let looked = async {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tick.tick().await;
                let scans = Self::now(connection).await;
                if scans.chains >= first.chains + LOOKS {
                    return scans;
                }
            }
        };
        tokio::time::timeout(DEADLINE, looked).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_read_once_for_all_who_follow_it() {
    let world = World::start().await;
    let (backend, viewer) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "viewer"),
    );
    world.fill(&backend, "default", 1).await;
    let address = world.serve(&world.state).await;
    let mut database = PgConnection::connect(world.database.url.as_str())
        .await
        .unwrap();
    let mut sockets = Vec::new();
    let mut taken = Vec::new();
    for readers in [1, 15] {
        while sockets.len() < readers {
            let query = "?partition=default";
            let mut socket = Socket::follow(address, &viewer.token, query).await;
            socket.ready().await;
            sockets.push(socket);
        }
        let before = Scans::after_looks(&mut database).await;
        let began = Instant::now();
        for _ in 0..APPENDS {
            let receipts = world.fill(&backend, "default", 1).await;
            for socket in &mut sockets {
                let entry = &socket.entries(1).await[0];
                assert_eq!(place(entry).1, receipts[0]["seq"].as_u64().unwrap());
            }
        }
        let after = Scans::after_looks(&mut database).await;
        let ticks = i64::try_from(began.elapsed().as_millis() / TICK.as_millis()).unwrap();
        let looks = after.chains - before.chains;
        assert!(looks <= 2 * ticks, "{looks} looks in {ticks} ticks");
        taken.push(after.entries - before.entries);
    }
    // What an append does with the table is the same, whoever follows.
    let [one, many] = taken[..] else {
        unreachable!("two rounds");
    };
    assert!(many < one + 2 * APPENDS, "{many} instead of {one}");
    world.end().await;
}
