//! Many entries in little memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use export::Format;
use export::jobs::State;

use crate::stopping::Stopping;
use crate::world::{Place, World, request};

#[tokio::test]
async fn what_is_written_at_a_time_does_not_grow_with_the_export() {
    const ROWS: usize = 200_000;
    let world = World::new(Place::Directory).await;
    world.fill("default", ROWS).await;
    let job = world.ask(request(Format::Csv, &[])).await;
    let (store, steps) = Stopping::new(Arc::clone(&world.store), usize::MAX, false);
    world.worker_on(Arc::new(store)).catch_up().await.unwrap();
    let job = world.job(job.id).await;
    assert_eq!(job.state, State::Finished);
    let summary = job.summary.unwrap();
    assert_eq!(summary.rows, ROWS as u64);
    let (largest, written) = (
        steps.largest.load(Ordering::SeqCst),
        steps.written.load(Ordering::SeqCst),
    );
    assert_eq!(summary.bytes, written as u64);
    assert!(largest <= 2 << 20, "{largest} of {written} bytes at once");
    assert!(written > 60_000_000, "{written}");
    world.end().await;
}
