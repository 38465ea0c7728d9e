//! Which copies of a shard answer.

use crate::entries::small;
use crate::front::Front;
use crate::world::{Asked, Kind, World};

const START: i64 = 1_700_000_000_000_000;

/// One node has no other copy that could be behind: what is asked for is all that can be seen here.
#[tokio::test]
async fn the_copy_that_a_refresh_is_sure_to_reach_answers() {
    let front = Front::open().await;
    let mut world = World::open(Kind::OpenSearch).await;
    let tenant = world.tenant().await;
    world.write(tenant, &[small("default", 0, START)]).await;
    world.settings.url = front.url.clone();
    world.settings.authorities = Some(front.authority.clone());
    world.reopen().await;
    let all = Asked::all("", &["default"]);
    assert_eq!(all.seqs(&world, tenant).await, [0]);
    assert_eq!(all.stats(&world, tenant, 1, None).await.unwrap().total, 1);
    let heard = front.heard();
    let searches = heard.lines().filter(|line| line.contains("/_search?"));
    let searches: Vec<_> = searches.collect();
    assert_eq!(searches.len(), 2, "{heard}");
    for search in searches {
        assert!(search.contains("&preference=_primary&"), "{search}");
    }
    world.end().await;
}
