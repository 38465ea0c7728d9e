//! What fits into a queue, and how much of it at once.

use std::collections::BTreeSet;
use std::time::Duration;

use queue::{Depth, Error, MAX_BODY_BYTES};
use sqlx::PgPool;

use crate::contract::both;
use crate::rig::{LEASE, Rig, SECOND};

both!(
    any_text_comes_back_as_it_was,
    what_does_not_fit_is_refused_whole,
    any_number_goes_in_and_comes_out,
    long_bodies_share_calls,
);

async fn any_text_comes_back_as_it_was(rig: Rig) {
    let bodies = [
        r#"{"text":"\u0000 \ud83d\ude00 \uffff"}"#,
        "tab\tline\r\nend\n",
        "\u{7f}\u{80}\u{85}\u{a0}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}",
        "<a>&amp;\"'</a> %00 + \\ 日本語 🦀",
    ];
    rig.send(&bodies).await;
    let mut received = BTreeSet::new();
    while received.len() < bodies.len() {
        let messages = rig.queue.receive(10, SECOND, LEASE).await.unwrap();
        assert!(!messages.is_empty(), "missing after {received:?}");
        received.extend(messages.into_iter().map(|message| message.body));
    }
    assert_eq!(
        received,
        bodies.iter().map(|&body| body.to_owned()).collect()
    );
    rig.close().await;
}

async fn what_does_not_fit_is_refused_whole(rig: Rig) {
    let long = "x".repeat(MAX_BODY_BYTES + 1);
    for bad in ["", "nul \0", "escape \u{1b}", "\u{fffe}", "\u{ffff}", &long] {
        let refused = rig.queue.send(&["good".to_owned(), bad.to_owned()]).await;
        let Err(Error::InvalidBody { index: 1, .. }) = refused else {
            panic!("{:?}: {refused:?}", bad.get(..10));
        };
    }
    rig.none().await;
    rig.close().await;
}

async fn any_number_goes_in_and_comes_out(rig: Rig) {
    let bodies: Vec<_> = (0..2_345).map(|n| n.to_string()).collect();
    rig.queue.send(&bodies).await.unwrap();
    let mut received = BTreeSet::new();
    let mut calls = 0;
    while received.len() < bodies.len() {
        let messages = rig.queue.receive(50, SECOND, LEASE).await.unwrap();
        assert!(messages.len() <= 50);
        calls += 1;
        rig.queue.done(&messages).await.unwrap();
        received.extend(messages.into_iter().map(|message| message.body));
    }
    assert_eq!(received.len(), bodies.len());
    // Receives are filled as far as the server gives: not one message a call.
    assert!(calls < 500, "{calls} calls");
    rig.depth(Depth::default()).await;
    rig.close().await;
}

async fn long_bodies_share_calls(rig: Rig) {
    let sizes = [
        MAX_BODY_BYTES,
        100_000,
        100_000,
        100_000,
        1,
        MAX_BODY_BYTES,
        200_000,
        60_000,
        70_000,
    ];
    let bodies: Vec<_> = sizes
        .iter()
        .map(|&size| "ü".repeat(size / 2) + &"x".repeat(size % 2))
        .collect();
    rig.queue.send(&bodies).await.unwrap();
    let mut received = Vec::new();
    while received.len() < sizes.len() {
        let messages = rig.queue.receive(10, SECOND, LEASE).await.unwrap();
        assert!(!messages.is_empty(), "missing after {received:?}");
        received.extend(messages.into_iter().map(|message| message.body.len()));
    }
    let sorted = |mut sizes: Vec<usize>| {
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sorted(received), sorted(sizes.to_vec()));
    let nothing = rig.queue.receive(0, Duration::ZERO, LEASE).await.unwrap();
    assert!(nothing.is_empty());
    rig.close().await;
}
