//! A worker that ends at any of its steps: the next one finds everything to do, and nothing twice.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ledger::Tenant;
use search::Error;
use service::Shutdown;

use crate::world::{DEFAULT, Index, World, found_in, tenant};

/// A future that is dropped after so many polls; `None` when it was.
pub(crate) struct Polls<F> {
    inner: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        match self.inner.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The next poll ends it, so that the steps of the server it waits for go on without it.
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

pub(crate) fn polls<F: Future>(left: usize, inner: F) -> Polls<F> {
    let inner = Box::pin(inner);
    Polls { inner, left }
}

/// Each round has new entries and ends one step later than the round before.
async fn killed_at_every_step(index: Index, steps: usize) {
    let world = World::new(index).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 1).await;
    for step in 1..=steps {
        world.append(&acme, DEFAULT, 4).await;
        let state = world.state();
        let _ = polls(step, state.catch_up()).await;
        // What is visible is true, however it ended.
        everything_visible_is_found(&world, &acme).await;
    }
    world.state().catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

async fn everything_visible_is_found(world: &World, tenant: &Tenant) {
    let visible = indexer_worker::VISIBLE;
    let cursors = world.followed.cursors(visible, tenant.id).await.unwrap();
    let next = cursors.first().map_or(0, |cursor| cursor.next);
    if next > 0 {
        let found = found_now(world, tenant).await;
        let before: Vec<u64> = found.into_iter().filter(|seq| *seq < next).collect();
        assert_eq!(before, (0..next).collect::<Vec<u64>>());
    }
}

/// A server that is at a switch whose sender is gone may say for a moment that it cannot answer.
async fn found_now(world: &World, tenant: &Tenant) -> Vec<u64> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let answered = async {
        loop {
            tick.tick().await;
            match found_in(&world.search, tenant, DEFAULT).await {
                Err(Error::Unavailable(_)) => {}
                found => return found.unwrap(),
            }
        }
    };
    let answered = tokio::time::timeout(Duration::from_secs(10), answered).await;
    answered.expect("it answers again")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_embedded() {
    killed_at_every_step(Index::Embedded, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_opensearch() {
    killed_at_every_step(Index::OpenSearch, 40).await;
}

/// A rebuild that ends at any of its steps, while a worker goes on.
async fn a_rebuild_killed_at_every_step(index: Index) {
    let world = World::new(index).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 4).await;
    world.state().catch_up().await.unwrap();
    let never = Shutdown::new();
    let mut step = 0;
    loop {
        step += 1;
        let state = world.state();
        let rebuild = state.rebuild(acme.id, None, &never);
        let ended = polls(step, rebuild).await;
        everything_visible_is_found(&world, &acme).await;
        // The server may not have noticed yet that the one before is gone, and keep its claim.
        if let Some(true) = ended.map(Result::unwrap) {
            break;
        }
    }
    assert!(step > 10, "{step}");
    // The hold of one that ended between its hold and its release ends by itself.
    world
        .tamper("update ledger.fences set held_until = now()")
        .await;
    world.append(&acme, DEFAULT, 1).await;
    world.state().catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_killed_at_every_step_embedded() {
    a_rebuild_killed_at_every_step(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_killed_at_every_step_opensearch() {
    a_rebuild_killed_at_every_step(Index::OpenSearch).await;
}
