//! Lists: their order, their pages, and what they leave out.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::contract::both;
use crate::rig::Rig;

both!(
    keys_come_in_byte_order_and_by_prefix,
    pages_join_without_gap_or_repetition
);

const KEYS: [&str; 9] = [
    "a-b", "a.b", "a/b/c", "a/b/d", "a/e", "a0", "ab/c", "b", "b.gz",
];

async fn keys_come_in_byte_order_and_by_prefix(rig: Rig) {
    assert!(rig.keys("", None, 10).await.is_empty());
    for key in KEYS.iter().rev() {
        rig.put(key, *key).await;
    }
    let mut sorted = KEYS;
    sorted.sort_unstable();
    let cases = [
        "", "a", "a/", "a/b", "a/b/", "a/b/c", "b", "b/", "c", "A", "..", "/", "a/b/c/",
    ];
    for prefix in cases {
        for after in [
            "", "a", "a/", "a/b", "a/b/c", "a/b/z", "a0", "b.gz", "zz", "ü",
        ] {
            let mut expected = sorted.to_vec();
            expected.retain(|key| key.starts_with(prefix) && *key > after);
            let found = rig.keys(prefix, Some(after), 100).await;
            assert_eq!(found, expected, "{prefix:?} {after:?}");
        }
        let mut expected = sorted.to_vec();
        expected.retain(|key| key.starts_with(prefix));
        assert_eq!(rig.keys(prefix, None, 100).await, expected, "{prefix:?}");
    }
    let listed = rig.store.list("a/b/c", None, 1).await.unwrap();
    assert_eq!(listed[0].size, 5);
    let age = SystemTime::now()
        .duration_since(listed[0].modified)
        .unwrap_or_default();
    assert!(age < Duration::from_mins(2), "{age:?}");
    assert!(rig.keys("", None, 0).await.is_empty());
    rig.close().await;
}

async fn pages_join_without_gap_or_repetition(rig: Rig) {
    let mut keys: Vec<_> = (0..1_205).map(|n| format!("{}/{n}", n % 7)).collect();
    let mut writers = JoinSet::new();
    for keys in keys.chunks(100) {
        let (store, keys) = (std::sync::Arc::clone(&rig.store), keys.to_vec());
        writers.spawn(async move {
            for key in keys {
                assert!(store.create(&key, Bytes::from("x")).await.unwrap());
            }
        });
    }
    writers.join_all().await;
    keys.sort_unstable();
    // More than one call of S3 lists.
    assert_eq!(rig.keys("", None, 2_000).await, keys);
    assert_eq!(rig.keys("", None, 1_100).await, keys[..1_100]);
    let mut joined: Vec<String> = Vec::new();
    loop {
        let page = rig.keys("", joined.last().map(String::as_str), 100).await;
        assert!(page.len() <= 100);
        let last = page.len() < 100;
        joined.extend(page);
        if last {
            break;
        }
    }
    assert_eq!(joined, keys);
    rig.close().await;
}
