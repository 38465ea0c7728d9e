//! A stream in which nothing happens still says that it lives, and from where to go on.

use sqlx::{Connection as _, Executor as _};

use super::client::{Socket, place};
use crate::auth::A;
use crate::world::{EVERYTHING, World};

#[tokio::test]
async fn a_sign_of_life_comes_when_nothing_else_does_and_can_be_gone_on_from() {
    let world = World::start().await;
    let (backend, viewer) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "viewer"),
    );
    world.fill(&backend, "default", 3).await;
    let address = world.serve(&world.state).await;
    let mut socket = Socket::follow(address, &viewer.token, "").await;
    socket.ready().await;
    let frame = socket.next().await;
    assert_eq!(frame["type"], "heartbeat", "{frame}");
    assert_eq!(frame["live"], true, "{frame}");
    drop(socket);
    world.fill(&backend, "default", 1).await;
    let after = format!("?after={}", frame["cursor"].as_str().unwrap());
    let mut socket = Socket::follow(address, &viewer.token, &after).await;
    assert_eq!(
        place(&socket.entries(1).await[0]),
        ("default".to_owned(), 3)
    );
    world.end().await;
}

#[tokio::test]
async fn signs_of_life_say_when_the_trail_cannot_be_read() {
    let world = World::start().await;
    let (backend, viewer) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "viewer"),
    );
    world.fill(&backend, "default", 1).await;
    let address = world.serve(&world.state).await;
    let mut socket = Socket::follow(address, &viewer.token, "").await;
    socket.ready().await;
    // The heads can be looked at, and say that there is more; the entries cannot.
    let mut superuser = world.superuser().await;
    let mut hanging = superuser.begin().await.unwrap();
    for statement in [
        "set local session_replication_role = replica",
        "alter table ledger.entries rename to entries_away",
    ] {
        hanging.execute(statement).await.unwrap();
    }
    hanging.commit().await.unwrap();
    let more = "set session_replication_role = replica; \
        update ledger.chains set size = size + 1 where partition = 'default'";
    superuser.execute(more).await.unwrap();
    let frame = socket.next().await;
    assert_eq!(frame["type"], "heartbeat", "{frame}");
    assert_eq!(frame["live"], false, "{frame}");
    let back = "update ledger.chains set size = size - 1 where partition = 'default'; \
        alter table ledger.entries_away rename to entries";
    superuser.execute(back).await.unwrap();
    world.fill(&backend, "default", 1).await;
    let entry = &socket.entries(1).await[0];
    assert_eq!(place(entry), ("default".to_owned(), 1), "it goes on");
    world.end().await;
}
