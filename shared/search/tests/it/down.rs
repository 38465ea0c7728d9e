//! A server that is not there, or does not answer.

use std::time::{Duration, Instant};

use search::{Error, Settings, Which};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::entries::small;
use crate::world::{Asked, opensearch_url};

async fn unavailable(url: &str, within: Duration) {
    let search = search::open(Settings::of(url.parse().unwrap()))
        .await
        .unwrap();
    let tenant = Uuid::now_v7();
    let asked = Asked::all("q=word", &["default"]);
    let began = Instant::now();
    let ask = search::Ask {
        filter: &asked.filter,
        windows: &asked.windows,
        mask: asked.mask,
        order: asked.order,
        limit: 1,
        after: None,
    };
    let found = search.find(tenant, &ask).await;
    assert!(matches!(found, Err(Error::Unavailable(_))), "{found:?}");
    assert!(began.elapsed() < within);
    let at_once = within < Duration::from_secs(5);
    // What does not answer may be slow for this tenant alone.
    assert_eq!(found.unwrap_err().is_unreachable(), at_once);
    if at_once {
        let written = search
            .write(tenant, Which::Current, &[small("default", 0, 1)])
            .await;
        assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
        let refreshed = search.refresh(tenant).await;
        assert!(
            matches!(refreshed, Err(Error::Unavailable(_))),
            "{refreshed:?}"
        );
        assert!(matches!(search.ready().await, Err(Error::Unavailable(_))));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    unavailable(&url, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable_in_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    unavailable(&url, Duration::from_secs(12)).await;
}

#[tokio::test]
async fn settings_that_are_none_are_named() {
    for (url, setting) in [
        ("ftp://example.com/", "INDEX_URL"),
        ("http://user:password@example.com/", "INDEX_URL"),
    ] {
        match search::open(Settings::of(url.parse().unwrap())).await {
            Err(Error::Setting { setting: named, .. }) => assert_eq!(named, setting),
            other => panic!("{url}: {other:?}"),
        }
    }
    let mut settings = Settings::of(opensearch_url());
    settings.authorities = Some(b"no certificate".to_vec());
    let opened = search::open(settings).await;
    assert!(
        matches!(
            opened,
            Err(Error::Setting {
                setting: "INDEX_CA_FILE",
                ..
            })
        ),
        "{opened:?}"
    );
}
