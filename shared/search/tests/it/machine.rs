//! The embedded index when the machine goes down: files that nobody flushed may be missing then.

use search::{Error, Which};

use crate::entries::small;
use crate::world::{Asked, Kind, World};

const START: i64 = 1_700_000_000_000_000;

/// As the mark of another start of the machine.
fn start_again(world: &World) -> bool {
    let mark = world.directory().unwrap().join("unsynced");
    let marked = mark.exists();
    if marked {
        std::fs::write(mark, "another start of the machine\n").unwrap();
    }
    marked
}

#[tokio::test]
async fn what_nobody_flushed_is_missing_after_the_machine_went_down() {
    let mut world = World::open(Kind::Embedded).await;
    let tenant = world.tenant().await;
    world.write(tenant, &[small("default", 0, START)]).await;
    let all = Asked::all("", &["default"]);

    // A process that ends as by a kill loses nothing.
    world.reopen().await;
    assert_eq!(all.seqs(&world, tenant).await, [0]);

    assert!(start_again(&world));
    world.reopen().await;
    let found = all.try_find(&world, tenant).await;
    assert!(matches!(found, Err(Error::Missing)), "{found:?}");

    // From here on it is an index like any other.
    world.tenant_with_id(tenant).await;
    world.write(tenant, &[small("default", 1, START)]).await;
    world.reopen().await;
    assert_eq!(all.seqs(&world, tenant).await, [1]);
    world.end().await;
}

#[tokio::test]
async fn what_was_closed_in_order_stays() {
    let mut world = World::open(Kind::Embedded).await;
    let tenant = world.tenant().await;
    let document = small("default", 0, START);
    world.write(tenant, &[document]).await;
    world.search.close().await.unwrap();

    // Nothing could be lost by a write after it.
    let late = [small("default", 1, START)];
    let written = world.search.write(tenant, Which::Current, &late).await;
    assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
    let made = world.search.create(tenant, world.placement).await;
    assert!(matches!(made, Err(Error::Unavailable(_))), "{made:?}");

    assert!(!start_again(&world), "nothing can be lost");
    world.reopen().await;
    let all = Asked::all("", &["default"]);
    assert_eq!(all.seqs(&world, tenant).await, [0]);
    world.end().await;
}
