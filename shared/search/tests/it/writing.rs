//! Versions, replays, poison, and tenants that have nothing to do with each other.

use chain::Mask;
use query::{Document, Keyword};
use search::{Refused, Which};
use uuid::Uuid;

use crate::entries::small;
use crate::world::{Asked, World};

fn with_words(seq: u64, version: u64, words: &str) -> Document {
    Document {
        version,
        personal_words: vec![words.to_owned()],
        ..small(
            "default",
            seq,
            1_700_000_000_000_000 + i64::try_from(seq).unwrap(),
        )
    }
}

pub(crate) async fn replays_change_nothing(world: World) {
    let tenant = world.tenant().await;
    let documents: Vec<_> = (0..50).map(|seq| with_words(seq, 1, "once")).collect();
    for part in [
        &documents[..30],
        &documents[10..],
        &documents[..],
        &documents[..1],
    ] {
        world.write(tenant, part).await;
    }
    // The same entry twice in one call, too.
    world
        .write(
            tenant,
            &[with_words(50, 1, "once"), with_words(50, 1, "twice")],
        )
        .await;
    let expected: Vec<u64> = (0..=50).collect();
    assert_eq!(
        Asked::all("q=once", &["default"])
            .seqs(&world, tenant)
            .await,
        expected
    );
    let stats = Asked::all("", &["default"])
        .stats(&world, tenant, 5, None)
        .await;
    assert_eq!(stats.unwrap().total, 51);
    world.end().await;
}

/// Whoever writes to one of many indices comes back to it as somebody new, and still knows what is there.
pub(crate) async fn replays_change_nothing_among_many_tenants(world: World) {
    let documents: Vec<_> = (0..8).map(|seq| with_words(seq, 1, "once")).collect();
    let mut tenants = Vec::new();
    for _ in 0..12 {
        tenants.push(world.tenant().await);
    }
    for part in [&documents[..5], &documents[2..], &documents[..]] {
        for tenant in &tenants {
            world.write(*tenant, part).await;
        }
    }
    for tenant in &tenants {
        world.write(*tenant, &[with_words(3, 2, "again")]).await;
        for (query, expected) in [("q=once", &[0, 1, 2, 4, 5, 6, 7][..]), ("q=again", &[3])] {
            let found = Asked::all(query, &["default"]).seqs(&world, *tenant).await;
            assert_eq!(found, expected, "{query}");
        }
    }
    world.end().await;
}

pub(crate) async fn the_higher_version_wins(world: World) {
    let tenant = world.tenant().await;
    world.write(tenant, &[with_words(0, 1, "ann bob")]).await;
    world.write(tenant, &[with_words(0, 2, "bob")]).await;
    // A replay of the first version brings nothing back.
    world.write(tenant, &[with_words(0, 1, "ann bob")]).await;
    world
        .write(tenant, &[with_words(1, 3, ""), with_words(1, 1, "ann")])
        .await;
    world
        .write(tenant, &[with_words(2, 1, "ann"), with_words(2, 2, "cleo")])
        .await;
    for (query, expected) in [
        ("q=ann", &[][..]),
        ("q=bob", &[0]),
        ("q=cleo", &[2]),
        ("", &[0, 1, 2]),
    ] {
        let found = Asked::all(query, &["default"]).seqs(&world, tenant).await;
        assert_eq!(found, expected, "{query}");
    }
    // A second erasure after the first.
    world.write(tenant, &[with_words(0, 3, "")]).await;
    assert!(
        Asked::all("q=bob", &["default"])
            .seqs(&world, tenant)
            .await
            .is_empty()
    );
    world.end().await;
}

pub(crate) async fn poison_is_refused_alone(world: World) {
    let tenant = world.tenant().await;
    let mut documents: Vec<_> = (0..5).map(|seq| with_words(seq, 1, "fine")).collect();
    documents[2]
        .keywords
        .push((Keyword::SessionId, "s".repeat(40_000)));
    let refused = world.search.write(tenant, Which::Current, &documents).await;
    let [
        Refused {
            partition,
            generation,
            seq,
            reason,
        },
    ] = &refused.unwrap()[..]
    else {
        panic!("one is refused");
    };
    assert_eq!((partition.as_str(), *generation, *seq), ("default", 1, 2));
    assert!(!reason.is_empty() && !reason.contains("sss"), "{reason}");
    world.search.refresh(tenant).await.unwrap();
    assert_eq!(
        Asked::all("", &["default"]).seqs(&world, tenant).await,
        [0, 1, 3, 4]
    );
    // It does not come back by itself, and may be replaced by one that can be taken.
    world.write(tenant, &[with_words(2, 1, "shorter")]).await;
    assert_eq!(
        Asked::all("q=shorter", &["default"])
            .seqs(&world, tenant)
            .await,
        [2]
    );
    world.end().await;
}

pub(crate) async fn tenants_are_apart(world: World) {
    // Ids that begin alike, and entries at the same places.
    let ids = [0x0199_c3a1_u128 << 96, (0x0199_c3a1_u128 << 96) + 1];
    let random = Uuid::now_v7().as_u128() & 0xffff_ffff_ffff_0000;
    let [one, other] = ids.map(|id| Uuid::from_u128(id + (random << 16)));
    world.tenant_with_id(one).await;
    world.tenant_with_id(other).await;
    world
        .write(
            one,
            &[with_words(0, 1, "secret of one"), with_words(1, 1, "more")],
        )
        .await;
    world
        .write(other, &[with_words(0, 1, "secret of the other")])
        .await;
    let secret = Asked::all("q=secret", &["default", "system"]);
    assert_eq!(secret.seqs(&world, one).await, [0]);
    assert_eq!(secret.seqs(&world, other).await, [0]);
    assert!(
        Asked::all("q=one", &["default"])
            .seqs(&world, other)
            .await
            .is_empty()
    );
    let all = Asked::all("", &["default"]);
    assert_eq!(all.stats(&world, other, 5, None).await.unwrap().total, 1);
    // A version of one is none of the other's, and neither is its end.
    world.write(one, &[with_words(0, 2, "erased")]).await;
    assert_eq!(secret.seqs(&world, other).await, [0]);
    world.search.drop_tenant(one).await.unwrap();
    assert_eq!(secret.seqs(&world, other).await, [0]);
    assert!(matches!(
        secret.try_find(&world, one).await,
        Err(search::Error::Missing)
    ));
    let masked = Asked {
        mask: Mask::Personal,
        ..secret
    };
    assert!(masked.seqs(&world, other).await.is_empty());
    world.end().await;
}
