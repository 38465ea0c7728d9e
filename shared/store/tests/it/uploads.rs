//! Objects on their way: nothing of them is visible, and nothing of them stays.

use std::time::Duration;

use bytes::Bytes;
use store::Error;

use crate::contract::both;
use crate::rig::{Kind, LARGE, Rig, bytes};

both!(
    nothing_is_visible_before_the_end,
    what_is_given_up_leaves_nothing,
    abandoned_uploads_are_swept,
    pieces_of_any_size_make_one_object,
    a_finished_object_replaces_the_one_before,
    what_was_not_written_whole_is_not_finished,
);

const PIECE: usize = 1_000_000;

async fn nothing_is_visible_before_the_end(rig: Rig) {
    let whole = bytes(LARGE);
    let mut upload = rig.store.write("a/b").await.unwrap();
    for piece in whole.chunks(PIECE) {
        upload.write(whole.slice_ref(piece)).await.unwrap();
        assert_eq!(rig.store.size("a/b").await.unwrap(), None);
    }
    assert!(rig.keys("", None, 10).await.is_empty());
    assert!(rig.get("a/b").await.is_none());
    upload.finish().await.unwrap();
    assert!(rig.get("a/b").await.unwrap() == whole);
    assert_eq!(rig.uploads().await, 0);
    rig.close().await;
}

async fn what_is_given_up_leaves_nothing(rig: Rig) {
    for size in [0, 10, LARGE] {
        let mut upload = rig.store.write("a").await.unwrap();
        upload.write(bytes(size)).await.unwrap();
        upload.abort().await;
        assert_eq!(rig.uploads().await, 0, "after {size} bytes");
    }
    let mut upload = rig.store.write("a").await.unwrap();
    upload.write(bytes(LARGE)).await.unwrap();
    assert_eq!(rig.uploads().await, 1);
    drop(upload);
    // A drop cannot wait for the server.
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let mut left = 1;
    for _ in 0..200 {
        tick.tick().await;
        left = rig.uploads().await;
        if left == 0 {
            break;
        }
    }
    assert_eq!(left, 0);
    assert!(rig.get("a").await.is_none());
    rig.close().await;
}

async fn abandoned_uploads_are_swept(rig: Rig) {
    rig.put("kept", "x").await;
    let mut upload = rig.store.write("a").await.unwrap();
    upload.write(bytes(LARGE)).await.unwrap();
    assert_eq!(
        rig.store
            .sweep_uploads(Duration::from_hours(1))
            .await
            .unwrap(),
        0
    );
    assert_eq!(rig.uploads().await, 1);
    // LocalStack and S3 count whole seconds.
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut swept = 0;
    for _ in 0..100 {
        tick.tick().await;
        swept = rig.store.sweep_uploads(Duration::ZERO).await.unwrap();
        if swept > 0 {
            break;
        }
    }
    assert_eq!(swept, 1);
    assert_eq!(rig.uploads().await, 0);
    let finished = upload.finish().await;
    assert!(matches!(finished, Err(Error::Refused(_))), "{finished:?}");
    assert!(rig.get("a").await.is_none());
    assert_eq!(rig.get("kept").await.unwrap(), b"x");
    rig.close().await;
}

async fn pieces_of_any_size_make_one_object(rig: Rig) {
    const PART: usize = 8 << 20;
    let sizes = [0, 1, PART - 1, PART, PART + 1, 3 * PART];
    for size in sizes {
        let whole = bytes(size);
        for piece in [777_777, PART, LARGE * 2] {
            let mut upload = rig.store.write("a").await.unwrap();
            for piece in whole.chunks(piece) {
                upload.write(whole.slice_ref(piece)).await.unwrap();
            }
            upload.write(Bytes::new()).await.unwrap();
            upload.finish().await.unwrap();
            assert!(rig.get("a").await.unwrap() == whole, "{size} in {piece}");
        }
    }
    rig.close().await;
}

async fn a_finished_object_replaces_the_one_before(rig: Rig) {
    let (mut one, mut two) = (
        rig.store.write("a").await.unwrap(),
        rig.store.write("a").await.unwrap(),
    );
    one.write(Bytes::from("one")).await.unwrap();
    two.write(Bytes::from("two")).await.unwrap();
    two.finish().await.unwrap();
    assert_eq!(rig.get("a").await.unwrap(), b"two");
    one.finish().await.unwrap();
    assert_eq!(rig.get("a").await.unwrap(), b"one");
    rig.close().await;
}

async fn what_was_not_written_whole_is_not_finished(mut rig: Rig) {
    // A write that nobody waits for any more.
    let mut upload = rig.store.write("a").await.unwrap();
    let dropped = upload.write(bytes(LARGE));
    assert!(futures_util::FutureExt::now_or_never(dropped).is_none());
    upload.write(bytes(10)).await.unwrap();
    let finished = upload.finish().await;
    assert!(matches!(finished, Err(Error::Refused(_))), "{finished:?}");
    // A write that failed; files that are open already stay writable.
    if let Kind::S3(_) = rig.kind {
        let mut upload = rig.store.write("a").await.unwrap();
        rig.take_away().await;
        let failed = upload.write(bytes(LARGE)).await;
        assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
        rig.give_back().await;
        let finished = upload.finish().await;
        assert!(matches!(finished, Err(Error::Refused(_))), "{finished:?}");
    }
    assert!(rig.get("a").await.is_none());
    rig.close().await;
}
