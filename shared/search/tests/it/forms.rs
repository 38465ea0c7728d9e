//! Indices of another form than this program's.

use search::{Error, FORM, Which};
use uuid::Uuid;

use crate::entries::small;
use crate::world::{Asked, Kind, World};

const START: i64 = 1_700_000_000_000_000;

fn some(to: u64) -> Vec<query::Document> {
    (0..to)
        .map(|seq| small("default", seq, START + i64::try_from(seq).unwrap()))
        .collect()
}

async fn open(world: &mut World, form: u32) {
    world.settings.form = form;
    world.reopen().await;
    assert_eq!(world.search.form(), form);
}

async fn found(world: &World, tenant: Uuid) -> Vec<u64> {
    Asked::all("", &["default"]).seqs(world, tenant).await
}

#[tokio::test]
async fn an_embedded_one_is_outdated_and_built_anew() {
    let mut world = World::open(Kind::Embedded).await;
    let tenant = world.tenant().await;
    world.write(tenant, &some(3)).await;
    // Forward, and back to a program of the form before.
    for form in [FORM + 1, FORM] {
        open(&mut world, form).await;
        let all = Asked::all("", &["default"]);
        let asked = all.try_find(&world, tenant).await;
        assert!(matches!(asked, Err(Error::Outdated(_))), "{asked:?}");
        let documents = some(4);
        let written = world.search.write(tenant, Which::Current, &documents);
        let written = written.await;
        assert!(matches!(written, Err(Error::Outdated(_))), "{written:?}");
        let refreshed = world.search.refresh(tenant).await;
        assert!(
            matches!(refreshed, Err(Error::Outdated(_))),
            "{refreshed:?}"
        );

        let next = world.begin(tenant).await;
        let written = world.search.write(tenant, Which::Next(next), &documents);
        assert_eq!(written.await.unwrap(), []);
        world.search.finish_rebuild(tenant, next).await.unwrap();
        assert_eq!(found(&world, tenant).await, [0, 1, 2, 3]);
        open(&mut world, form).await;
        assert_eq!(found(&world, tenant).await, [0, 1, 2, 3]);
    }
    world.end().await;
}

#[tokio::test]
async fn those_of_an_opensearch_are_apart() {
    for kind in [Kind::OpenSearch, Kind::Pooled] {
        let mut world = World::open(kind).await;
        let tenant = world.tenant().await;
        world.write(tenant, &some(3)).await;
        open(&mut world, FORM + 1).await;
        let asked = Asked::all("", &["default"]).try_find(&world, tenant).await;
        assert!(matches!(asked, Err(Error::Missing)), "{asked:?}");
        world.search.create(tenant, world.placement).await.unwrap();
        world.write(tenant, &some(5)).await;
        assert_eq!(found(&world, tenant).await, [0, 1, 2, 3, 4]);
        world.search.drop_tenant(tenant).await.unwrap();
        if kind == Kind::Pooled {
            let pool = format!("{}-{}-pool-0", world.settings.prefix, FORM + 1);
            crate::opensearch::delete(&world.settings.url, &pool).await;
        }

        open(&mut world, FORM).await;
        assert_eq!(found(&world, tenant).await, [0, 1, 2]);
        world.end().await;
    }
}
