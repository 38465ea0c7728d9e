//! Hints wake a worker; what cannot be read is buried.

use std::sync::Arc;
use std::time::Duration;

use export::jobs::State;
use export::{Format, Hint};
use service::Shutdown;

use crate::world::{Place, World, request};

/// Shorter than a worker waits without a hint.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_hint_wakes_a_worker() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 3).await;
    let queue = world.queue().await;
    let worker = world.worker_with_queue(Arc::clone(&queue));
    let shutdown = Shutdown::new();
    let working = tokio::spawn(export_worker::run(worker.clone(), shutdown.clone()));
    queue.send(&["not a hint".to_owned()]).await.unwrap();
    // It looks at the table when it starts; this one comes after.
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let first = world.ask(request(Format::Csv, &[])).await;
    let hint = |export| Hint {
        tenant: world.tenant.id,
        export,
    };
    let mut job = first;
    for _ in 0..2 {
        queue.send(&[hint(job.id).body()]).await.unwrap();
        let finished = async {
            while world.job(job.id).await.state != State::Finished {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(SOON, finished).await.unwrap();
        job = world.ask(request(Format::Jsonl, &[])).await;
    }
    let buried = async {
        loop {
            let depth = queue.depth().await.unwrap();
            if (depth.waiting, depth.leased, depth.dead) == (0, 0, 1) {
                return;
            }
            ticks.tick().await;
        }
    };
    tokio::time::timeout(SOON, buried).await.unwrap();
    shutdown.begin();
    working.await.unwrap();
    worker.close().await;
    world.end().await;
}
