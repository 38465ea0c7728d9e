//! What only S3 can be: links for others, and settings of a URL.

use std::time::Duration;

use reqwest::StatusCode;
use store::Error;
use url::Url;

use crate::rig::{Kind, Rig, bytes, client};

#[tokio::test]
async fn a_link_downloads_for_whoever_has_it() {
    let rig = Rig::s3().await;
    rig.put("a/b.csv", "1;2").await;
    rig.put("a/c.csv", "3;4").await;
    let lifetime = Duration::from_mins(1);
    let link = rig.store.link(
        "a/b.csv",
        "Prüfung \"1\".csv",
        "text/csv; charset=utf-8",
        lifetime,
    );
    let link = link.await.unwrap().unwrap();
    // The address that users reach, not the one that the service talks to.
    let (_, endpoint) = client().await;
    assert_eq!(link.port(), endpoint.port());
    let query: Vec<_> = link
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    assert!(query.contains(&"X-Amz-Signature".to_owned()), "{query:?}");
    // No header besides the host is part of what was signed: a browser has no other.
    let signed = link
        .query_pairs()
        .find(|(name, _)| name == "X-Amz-SignedHeaders")
        .unwrap();
    assert_eq!(signed.1, "host");

    let http = reqwest::Client::new();
    let answer = http.get(link.clone()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    let disposition =
        "attachment; filename=\"Pr_fung _1_.csv\"; filename*=UTF-8''Pr%C3%BCfung%20%221%22.csv";
    assert_eq!(answer.headers()["content-disposition"], disposition);
    assert_eq!(answer.text().await.unwrap(), "1;2");

    let mut other = link.clone();
    other.set_path(&link.path().replace("b.csv", "c.csv"));
    let answer = http.get(other).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    // A second later it is worth nothing. The server's clock decides.
    let short = rig
        .store
        .link("a/b.csv", "a", "text/csv", Duration::ZERO)
        .await;
    let short = short.unwrap().unwrap();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut status = StatusCode::OK;
    for _ in 0..50 {
        tick.tick().await;
        status = http.get(short.clone()).send().await.unwrap().status();
        if status != StatusCode::OK {
            break;
        }
    }
    assert_eq!(status, StatusCode::FORBIDDEN);
    rig.close().await;
}

#[tokio::test]
async fn objects_are_under_the_prefix_of_the_url_with_checksum_and_encryption() {
    let rig = Rig::s3().await;
    let Kind::S3(bucket) = &rig.kind else {
        unreachable!("this rig is of S3")
    };
    let url = format!(
        "s3://{}/other?endpoint=http://{}&sse=AES256",
        bucket.name, bucket.proxy.address
    );
    let other = store::open(&url, None).await.unwrap();
    rig.put("a", bytes(9 << 20)).await;
    assert_eq!(other.size("a").await.unwrap(), None);
    assert!(other.create("b", "x".into()).await.unwrap());
    assert_eq!(rig.keys("", None, 10).await, ["a"]);
    let mut upload = other.write("c").await.unwrap();
    upload.write(bytes(9 << 20)).await.unwrap();
    upload.finish().await.unwrap();

    let listed = bucket
        .client
        .list_objects_v2()
        .bucket(&bucket.name)
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = listed
        .contents()
        .iter()
        .filter_map(|object| object.key())
        .collect();
    assert_eq!(keys, ["other/b", "other/c", "some/where/a"]);
    for key in keys {
        let head = bucket.client.head_object().bucket(&bucket.name).key(key);
        let head = head
            .checksum_mode(aws_sdk_s3::types::ChecksumMode::Enabled)
            .send()
            .await
            .unwrap();
        assert!(head.checksum_crc32.is_some(), "{key}: {head:?}");
        if key.starts_with("other/") {
            assert_eq!(head.server_side_encryption.unwrap().as_str(), "AES256");
        }
        bucket
            .client
            .delete_object()
            .bucket(&bucket.name)
            .key(key)
            .send()
            .await
            .unwrap();
    }
    rig.close().await;
}

#[tokio::test]
async fn a_url_that_names_no_bucket_says_why() {
    for url in [
        "s3://",
        "s3:///a",
        "s3://bucket/Prefix",
        "s3://bucket/a/../../b%2f",
        "s3://bucket?endpint=x",
        "s3://bucket?sse=x",
        "s3://bucket?kms-key=x",
        "s3://bucket?path-style=x",
        "s3://bucket:80/",
    ] {
        let opened = store::open(url, None).await;
        assert!(matches!(opened, Err(Error::InvalidUrl(_))), "{url}");
    }
    let (_, endpoint) = client().await;
    let missing = format!("s3://test-no-such-bucket?endpoint={endpoint}");
    let opened = store::open(&missing, None).await;
    assert!(matches!(opened, Err(Error::NoBucket(name)) if name == "test-no-such-bucket"));
    let opened = store::open(&missing, Some("ftp://users")).await;
    assert!(matches!(opened, Err(Error::InvalidUrl(_))));
}

#[tokio::test]
async fn links_take_the_form_of_the_public_endpoint() {
    let rig = Rig::s3().await;
    let Kind::S3(bucket) = &rig.kind else {
        unreachable!("this rig is of S3")
    };
    let url = format!(
        "s3://{}?endpoint=http://{}",
        bucket.name, bucket.proxy.address
    );
    for (public, start) in [
        (
            None,
            format!("http://{}/{}/a?", bucket.proxy.address, bucket.name),
        ),
        (
            Some("https://files.example.com"),
            format!("https://files.example.com/{}/a?", bucket.name),
        ),
    ] {
        let store = store::open(&url, public).await.unwrap();
        let link: Option<Url> = store
            .link("a", "a", "text/plain", Duration::ZERO)
            .await
            .unwrap();
        let link = link.unwrap().to_string();
        assert!(link.starts_with(&start), "{link}");
        assert!(link.contains("X-Amz-Expires=1&"), "{link}");
    }
    rig.close().await;
}
