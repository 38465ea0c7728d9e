//! What a store promises about one object. Each function runs against both implementations.

use bytes::Bytes;
use store::Error;
use tokio::task::JoinSet;

use crate::rig::{LARGE, Rig, bytes};

/// Runs a function of the suite against a store of either kind.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod in_a_directory {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Rig::directory().await).await;
            })*
        }
        mod on_s3 {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Rig::s3().await).await;
            })*
        }
    };
}
pub(crate) use both;

both!(
    what_is_created_is_there_once,
    of_two_creators_one_wins,
    what_is_not_there_says_so,
    ranges_are_cut_to_the_object,
    a_large_object_is_read_in_pieces,
    deleting_is_repeatable,
    only_plain_keys_are_taken,
);

async fn what_is_created_is_there_once(rig: Rig) {
    rig.store.ready().await.unwrap();
    assert!(
        rig.store
            .create("a/b.json", Bytes::from("first"))
            .await
            .unwrap()
    );
    assert!(
        !rig.store
            .create("a/b.json", Bytes::from("second"))
            .await
            .unwrap()
    );
    assert_eq!(rig.get("a/b.json").await.unwrap(), b"first");
    assert_eq!(rig.store.size("a/b.json").await.unwrap(), Some(5));
    // A write replaces, a create does not.
    rig.put("a/b.json", "third").await;
    assert!(
        !rig.store
            .create("a/b.json", Bytes::from("fourth"))
            .await
            .unwrap()
    );
    assert_eq!(rig.get("a/b.json").await.unwrap(), b"third");
    rig.store.delete("a/b.json").await.unwrap();
    assert!(rig.store.create("a/b.json", Bytes::new()).await.unwrap());
    assert_eq!(rig.get("a/b.json").await.unwrap(), b"");
    assert_eq!(rig.uploads().await, 0);
    rig.close().await;
}

async fn of_two_creators_one_wins(rig: Rig) {
    for round in 0..10 {
        let mut writers = JoinSet::new();
        for writer in 0..4_u8 {
            let store = std::sync::Arc::clone(&rig.store);
            writers.spawn(async move {
                let key = format!("rounds/{round}");
                let body = Bytes::from(vec![writer; 1_000]);
                (writer, store.create(&key, body).await.unwrap())
            });
        }
        let mut winners = writers.join_all().await;
        winners.retain(|(_, won)| *won);
        assert_eq!(winners.len(), 1, "{winners:?}");
        let body = rig.get(&format!("rounds/{round}")).await.unwrap();
        assert_eq!(body, [winners[0].0; 1_000]);
    }
    rig.close().await;
}

async fn what_is_not_there_says_so(rig: Rig) {
    rig.put("a/b", "x").await;
    for key in ["c", "c/d", "a", "a/b/c", "a/c"] {
        assert!(rig.get(key).await.is_none(), "{key}");
        let ranged = rig.store.read(key, Some(0..0)).await;
        assert!(matches!(ranged, Err(Error::NotFound)), "{key}: {ranged:?}");
        assert_eq!(rig.store.size(key).await.unwrap(), None, "{key}");
        rig.store.delete(key).await.unwrap();
    }
    assert_eq!(rig.get("a/b").await.unwrap(), b"x");
    rig.close().await;
}

async fn ranges_are_cut_to_the_object(rig: Rig) {
    rig.put("a", "0123456789").await;
    for (range, part) in [
        (0..10, "0123456789"),
        (0..1, "0"),
        (9..10, "9"),
        (3..7, "3456"),
        (5..1_000, "56789"),
        (0..u64::MAX, "0123456789"),
        (10..11, ""),
        (1_000..2_000, ""),
        (u64::MAX - 1..u64::MAX, ""),
        (4..4, ""),
    ] {
        let (size, body) = rig.part("a", range.clone()).await;
        assert_eq!(String::from_utf8(body).unwrap(), part, "{range:?}");
        assert_eq!(size, 10, "{range:?}");
    }
    rig.put("empty", "").await;
    assert_eq!(rig.part("empty", 0..10).await, (0, Vec::new()));
    rig.close().await;
}

async fn a_large_object_is_read_in_pieces(rig: Rig) {
    let whole = bytes(LARGE);
    rig.put("large", whole.clone()).await;
    assert_eq!(rig.store.size("large").await.unwrap(), Some(LARGE as u64));
    assert!(rig.get("large").await.unwrap() == whole);
    let (start, end) = (7_999_999_usize, 16_000_001);
    let (size, part) = rig.part("large", start as u64..end as u64).await;
    assert_eq!(size, LARGE as u64);
    assert!(part == whole[start..end]);
    rig.close().await;
}

async fn deleting_is_repeatable(rig: Rig) {
    rig.put("a/b/c", "1").await;
    rig.put("a/b/d", "2").await;
    for _ in 0..2 {
        rig.store.delete("a/b/c").await.unwrap();
        assert!(rig.get("a/b/c").await.is_none());
    }
    assert_eq!(rig.get("a/b/d").await.unwrap(), b"2");
    rig.store.delete("a/b/d").await.unwrap();
    assert!(rig.keys("", None, 10).await.is_empty());
    // What was a folder may be an object now.
    rig.put("a/b", "3").await;
    assert_eq!(rig.get("a/b").await.unwrap(), b"3");
    rig.close().await;
}

async fn only_plain_keys_are_taken(rig: Rig) {
    let store = &rig.store;
    let long = "a".repeat(201);
    for key in [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        ".uploads/a",
        "A",
        "a b",
        "ü",
        "日本",
        "a\0b",
        "a\n",
        "a\\b",
        "%2e%2e/a",
        "a?b",
        "a:b",
        &long,
    ] {
        let lifetime = std::time::Duration::from_mins(1);
        let answers = [
            store.create(key, Bytes::new()).await.map(|_| ()),
            store.write(key).await.map(|_| ()),
            store.read(key, None).await.map(|_| ()),
            store.size(key).await.map(|_| ()),
            store.delete(key).await,
            store
                .link(key, "a", "text/plain", lifetime)
                .await
                .map(|_| ()),
        ];
        for answer in answers {
            assert!(
                matches!(answer, Err(Error::InvalidKey(_))),
                "{key:?}: {answer:?}"
            );
        }
    }
    assert!(rig.keys("", None, 10).await.is_empty());
    rig.close().await;
}
