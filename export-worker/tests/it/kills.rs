//! A worker that is killed at any moment is taken over, and the file is the same.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use export::jobs::{self, Room, State};
use export::{Format, Request};

use crate::stopping::Stopping;
use crate::world::{Place, World, request};

const SWEPT_WITHIN: Duration = Duration::from_secs(20);

fn compressed() -> Request {
    let mut request = request(Format::Csv, &[]);
    request.gzip = true;
    request
}

/// Kills a worker at one of the store's steps; `false` when there are not that many.
async fn killed_at(world: &World, step: usize, after: bool, expected: &[u8]) -> bool {
    let job = world.ask(compressed()).await;
    let (store, steps) = Stopping::new(Arc::clone(&world.store), step, after);
    let worker = world.worker_on(Arc::new(store));
    let reached = tokio::select! {
        done = worker.catch_up() => {
            done.unwrap();
            false
        }
        () = steps.reached.notified() => true,
    };
    worker.close().await;
    if reached {
        assert_ne!(
            world.job(job.id).await.state,
            State::Finished,
            "step {step}"
        );
        world.lapse().await;
        world.worker().catch_up().await.unwrap();
    }
    let done = world.job(job.id).await;
    assert_eq!(done.state, State::Finished, "step {step}: {done:?}");
    assert_eq!(done.attempt, 1 + u32::from(reached));
    assert_eq!(world.file(&done).await, expected, "step {step}");
    world.jobs.cancel(world.tenant.id, job.id).await.unwrap();
    reached
}

async fn story(place: Place) {
    let world = World::new(place).await;
    world.fill("default", 30).await;
    world.fill("invoices", 5).await;
    let (_, expected) = world.export(compressed()).await;
    for after in [false, true] {
        let mut step = 0;
        while killed_at(&world, step, after, &expected).await {
            step += 1;
        }
        // Begin, write, finish.
        assert!(step >= 3, "only {step} steps");
    }
    world.end().await;
}

#[tokio::test]
async fn at_each_step_of_a_directory() {
    story(Place::Directory).await;
}

#[tokio::test]
async fn at_each_step_of_s3() {
    story(Place::S3).await;
}

/// Lets a worker die at a step of a large upload, and gives how many uploads it leaves.
async fn dies_at(world: &World, step: usize, after: bool, expected: &[u8]) -> usize {
    let job = world.ask(request(Format::Jsonl, &[])).await;
    let (store, steps) = Stopping::new(Arc::clone(&world.store), step, after);
    let worker = world.worker_on(Arc::new(store));
    let mut work = Box::pin(async move { worker.catch_up().await });
    tokio::select! {
        done = &mut work => panic!("not stopped: {done:?}"),
        () = steps.reached.notified() => {}
    }
    // Dropping it would give the upload up, which a process that is killed does not.
    std::mem::forget(work);
    let left = world.uploads().await;
    world.lapse().await;
    world.worker().catch_up().await.unwrap();
    let done = world.job(job.id).await;
    assert_eq!((done.state, done.attempt), (State::Finished, 2));
    assert!(world.file(&done).await == expected, "step {step}");

    world.worker().sweep(Duration::ZERO).await.unwrap();
    assert_eq!(world.keys().await, [done.key()]);
    // S3 counts whole seconds, so the youngest upload is not swept at once.
    let swept = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while world.uploads().await > 0 {
            ticks.tick().await;
            world.store.sweep_uploads(Duration::ZERO).await.unwrap();
        }
    };
    tokio::time::timeout(SWEPT_WITHIN, swept).await.unwrap();
    world.jobs.cancel(world.tenant.id, job.id).await.unwrap();
    world.worker().clean_up().await.unwrap();
    left
}

#[tokio::test]
async fn between_the_parts_of_an_upload_to_s3() {
    let world = World::new(Place::S3).await;
    // Two parts of 8 MiB, and a rest.
    world.fill_large("default", 200).await;
    let job = world.ask(request(Format::Jsonl, &[])).await;
    let (store, steps) = Stopping::new(Arc::clone(&world.store), usize::MAX, false);
    world.worker_on(Arc::new(store)).catch_up().await.unwrap();
    let expected = world.file(&world.job(job.id).await).await;
    assert!(expected.len() > 2 * (8 << 20), "{}", expected.len());
    world.jobs.cancel(world.tenant.id, job.id).await.unwrap();
    world.worker().clean_up().await.unwrap();

    let finish = steps.taken() - 1;
    for (step, after, left) in [
        // The first part is on its way.
        (finish / 2, true, 1),
        // Two parts are there, and the rest was never sent.
        (finish, false, 1),
        // The object is there, and its row is not.
        (finish, true, 0),
    ] {
        assert_eq!(dies_at(&world, step, after, &expected).await, left);
    }
    world.end().await;
}

/// Between any two moments at which a worker waits for something.
#[tokio::test]
async fn wherever_a_worker_waits() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 1_100).await;
    let (_, expected) = world.export(compressed()).await;
    let mut turns = 1;
    loop {
        let job = world.ask(compressed()).await;
        let worker = world.worker();
        let ended = {
            let mut work = pin!(worker.catch_up());
            let mut left = turns;
            std::future::poll_fn(|context| {
                if work.as_mut().poll(context).is_ready() {
                    return Poll::Ready(true);
                }
                left -= 1;
                if left == 0 {
                    Poll::Ready(false)
                } else {
                    Poll::Pending
                }
            })
            .await
        };
        worker.close().await;
        world.lapse().await;
        world.worker().catch_up().await.unwrap();
        let done = world.job(job.id).await;
        assert_eq!(done.state, State::Finished, "{turns} turns: {done:?}");
        assert_eq!(world.file(&done).await, expected, "{turns} turns");
        world.jobs.cancel(world.tenant.id, job.id).await.unwrap();
        if ended {
            break;
        }
        turns += 1 + turns / 8;
    }
    assert!(turns > 5, "{turns} turns are all there are");
    world.end().await;
}

/// Somebody who only seemed to be gone writes to the end, and changes nothing.
#[tokio::test]
async fn who_was_overtaken_changes_nothing() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 10).await;
    let job = world.ask(compressed()).await;
    let (store, steps) = Stopping::new(Arc::clone(&world.store), 2, true);
    let worker = world.worker_on(Arc::new(store));
    tokio::select! {
        done = worker.catch_up() => panic!("not stopped: {done:?}"),
        () = steps.reached.notified() => {}
    }
    // The first attempt's object is there, its row is not.
    world.lapse().await;
    world.worker().catch_up().await.unwrap();
    let done = world.job(job.id).await;
    assert_eq!((done.state, done.attempt), (State::Finished, 2));
    let mut overtaken = done.claim();
    overtaken.attempt = 1;
    let work = export::Jobs::open(&world.url.as_str().into(), jobs::Role::Work, 1).unwrap();
    let late = work
        .end(overtaken, &jobs::Ending::Later(Duration::ZERO))
        .await;
    assert!(matches!(late, Err(jobs::Error::Lost)));
    let progress = export::Progress::default();
    let late = work.beat(overtaken, progress, Duration::from_mins(1)).await;
    assert!(matches!(late, Err(jobs::Error::Lost)));
    world.worker().sweep(Duration::ZERO).await.unwrap();
    assert_eq!(world.keys().await, [done.key()]);
    worker.close().await;
    work.close().await;
    world.end().await;
}

/// Entries that kill their worker do not go on killing for ever.
#[tokio::test]
async fn a_job_that_loses_its_workers_is_abandoned() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 1).await;
    let job = world.ask(compressed()).await;
    let work = export::Jobs::open(&world.url.as_str().into(), jobs::Role::Work, 1).unwrap();
    let lease = Duration::from_mins(1);
    for attempt in 1..=5 {
        let claimed = work.claim(lease, Room::Any).await.unwrap().unwrap();
        assert_eq!(claimed.attempt, attempt);
        world.lapse().await;
    }
    assert_eq!(work.claim(lease, Room::Any).await.unwrap(), None);
    let job = world.job(job.id).await;
    assert_eq!(job.state, State::Failed);
    assert_eq!(job.failure.unwrap().code, "abandoned");
    work.close().await;
    world.end().await;
}
