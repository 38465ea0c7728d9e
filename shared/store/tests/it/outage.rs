//! A store that is away: every call says so within bounded time, and the next one works when it is back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use store::Error;

use crate::contract::both;
use crate::rig::{Kind, LARGE, Rig, bytes};

both!(a_store_that_is_away_is_unavailable_and_comes_back);

/// Far above what a call may take, far below for ever.
const BOUND: Duration = Duration::from_secs(20);

async fn a_store_that_is_away_is_unavailable_and_comes_back(mut rig: Rig) {
    rig.put("a", "before").await;
    rig.take_away().await;
    let begun = Instant::now();
    let store = &rig.store;
    let write = async {
        let mut upload = store.write("b").await?;
        upload.write(bytes(LARGE)).await?;
        upload.finish().await
    };
    let answers = [
        store.create("b", Bytes::from("while")).await.map(|_| ()),
        write.await,
        store.read("a", None).await.map(|_| ()),
        store.size("a").await.map(|_| ()),
        store.delete("a").await,
        store.list("", None, 10).await.map(|_| ()),
        store.sweep_uploads(Duration::ZERO).await.map(|_| ()),
        store.ready().await,
    ];
    let calls = u32::try_from(answers.len()).unwrap();
    assert!(begun.elapsed() < calls * BOUND, "{:?}", begun.elapsed());
    for answer in answers {
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }
    rig.give_back().await;
    rig.store.ready().await.unwrap();
    assert_eq!(rig.get("a").await.unwrap(), b"before");
    assert!(rig.get("b").await.is_none());
    assert!(rig.store.create("b", Bytes::from("after")).await.unwrap());
    rig.close().await;
}

#[tokio::test]
async fn a_body_whose_server_goes_away_ends_with_an_error() {
    let mut rig = Rig::s3().await;
    rig.put("a", bytes(LARGE)).await;
    let object = rig.store.read("a", None).await.unwrap();
    rig.take_away().await;
    let read: Result<Vec<Bytes>, _> = futures_util::TryStreamExt::try_collect(object.body).await;
    read.unwrap_err();
    rig.give_back().await;
    rig.close().await;
}

#[tokio::test]
async fn an_upload_outlives_a_short_outage_or_fails_whole() {
    let mut rig = Rig::s3().await;
    let mut upload = rig.store.write("a").await.unwrap();
    upload.write(bytes(LARGE)).await.unwrap();
    rig.take_away().await;
    let failed = upload.finish().await;
    assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
    rig.give_back().await;
    assert!(rig.get("a").await.is_none());
    rig.put("a", "again").await;
    assert_eq!(rig.get("a").await.unwrap(), b"again");
    rig.close().await;
}

#[tokio::test]
async fn a_store_can_be_opened_while_its_server_is_down() {
    let mut rig = Rig::s3().await;
    rig.take_away().await;
    let Kind::S3(bucket) = &rig.kind else {
        unreachable!("this rig is of S3")
    };
    let url = format!(
        "s3://{}/x?endpoint=http://{}",
        bucket.name, bucket.proxy.address
    );
    let store = store::open(&url, None).await.unwrap();
    assert!(matches!(store.ready().await, Err(Error::Unavailable(_))));
    rig.give_back().await;
    store.ready().await.unwrap();
    rig.close().await;
}
