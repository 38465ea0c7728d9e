//! How jobs end, and what is left of them.

use std::sync::Arc;
use std::time::Duration;

use export::Format;
use export::jobs::{self, Room, State};
use export_worker::Settings;
use service::Shutdown;
use service::status::{StatusSet, TenantStatus};
use uuid::Uuid;

use crate::stopping::Stopping;
use crate::world::{Place, World, request};

async fn cancelled(place: Place) {
    let world = World::new(place).await;
    world.fill("default", 10).await;
    let waiting = world.ask(request(Format::Csv, &[])).await;
    let tenant = world.tenant.id;
    let job = world
        .jobs
        .cancel(tenant, waiting.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(job.state, State::Cancelled);
    world.worker().catch_up().await.unwrap();
    assert_eq!(world.job(waiting.id).await.attempt, 0);

    // In the middle of its work, at the first sign of life after it.
    let running = world.ask(request(Format::Csv, &[])).await;
    let (store, steps) = Stopping::new(Arc::clone(&world.store), 1, true);
    let settings = Settings {
        beat: Duration::from_millis(20),
        ..Settings::default()
    };
    let worker = world.worker_with(Arc::new(store), settings);
    let cancel = async {
        steps.reached.notified().await;
        world
            .jobs
            .cancel(tenant, running.id)
            .await
            .unwrap()
            .unwrap()
    };
    let (done, job) = tokio::join!(worker.catch_up(), cancel);
    done.unwrap();
    assert_eq!(job.state, State::Cancelled);
    assert_eq!(world.job(running.id).await.state, State::Cancelled);
    assert_eq!(world.keys().await, Vec::<String>::new());
    // Of another tenant there is nothing to cancel.
    let other = world.jobs.cancel(Uuid::now_v7(), running.id).await.unwrap();
    assert_eq!(other, None);
    worker.close().await;
    world.end().await;
}

#[tokio::test]
async fn a_cancelled_job_leaves_nothing_in_a_directory() {
    cancelled(Place::Directory).await;
}

#[tokio::test]
async fn a_cancelled_job_leaves_nothing_in_s3() {
    cancelled(Place::S3).await;
}

async fn expired(place: Place) {
    let world = World::new(place).await;
    world.fill("default", 3).await;
    let (first, _) = world.export(request(Format::Csv, &[])).await;
    let (second, _) = world.export(request(Format::Jsonl, &[])).await;
    let kept = [first.ended_at, first.expires_at].map(|moment| moment.unwrap().as_micros());
    let lifetime = i64::try_from(Settings::default().lifetime.as_micros()).unwrap();
    assert_eq!(kept[1] - kept[0], lifetime);
    let worker = world.worker();
    worker.clean_up().await.unwrap();
    assert_eq!(world.keys().await.len(), 2);
    world
        .sql(&format!(
            "update export.jobs set expires_at = now() where id = '{}'",
            first.id
        ))
        .await;
    worker.clean_up().await.unwrap();
    assert_eq!(world.job(first.id).await.state, State::Expired);
    assert_eq!(world.keys().await, [second.key()]);

    world
        .sql("update export.jobs set ended_at = now() - interval '91 days'")
        .await;
    worker.clean_up().await.unwrap();
    assert_eq!(
        world.jobs.get(world.tenant.id, first.id).await.unwrap(),
        None
    );
    // What has a file is not forgotten.
    assert_eq!(world.job(second.id).await.state, State::Finished);
    worker.close().await;
    world.end().await;
}

#[tokio::test]
async fn an_expired_file_goes_from_a_directory() {
    expired(Place::Directory).await;
}

#[tokio::test]
async fn an_expired_file_goes_from_s3() {
    expired(Place::S3).await;
}

/// While it is not known which tenants are in order, nothing is read, and the job is kept.
#[tokio::test]
async fn a_silent_auth_service_makes_jobs_wait() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 3).await;
    let job = world.ask(request(Format::Csv, &[])).await;
    let feed = service::status::Feed::new();
    let worker = world.worker_hearing(&feed);
    let heard = async {
        while world.job(job.id).await.state != State::Running {}
        feed.replace(StatusSet::default());
    };
    let (done, ()) = tokio::join!(worker.catch_up(), heard);
    done.unwrap();
    assert_eq!(world.job(job.id).await.state, State::Finished);
    worker.close().await;
    world.end().await;
}

#[tokio::test]
async fn a_suspended_tenant_exports_nothing() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 3).await;
    let job = world.ask(request(Format::Csv, &[])).await;
    let mut set = StatusSet::default();
    set.tenants.insert(world.tenant.id, TenantStatus::Suspended);
    world.feed.replace(set);
    world.worker().catch_up().await.unwrap();
    let job = world.job(job.id).await;
    assert_eq!(job.state, State::Failed);
    assert_eq!(job.failure.unwrap().code, "tenant_suspended");
    assert_eq!(world.keys().await, Vec::<String>::new());
    world.feed.replace(StatusSet::default());
    world.end().await;
}

#[tokio::test]
async fn a_tenant_has_few_jobs_open_at_once() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 1).await;
    let csv = || request(Format::Csv, &[]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.ask(csv()).await.id);
    }
    let fourth = Uuid::now_v7();
    let refused = world.try_ask(fourth, csv()).await;
    assert!(matches!(refused, Err(jobs::Error::TooMany)));
    // What is there already is not refused.
    assert_eq!(world.try_ask(ids[0], csv()).await.unwrap().id, ids[0]);
    world.worker().catch_up().await.unwrap();
    assert_eq!(
        world.try_ask(fourth, csv()).await.unwrap().state,
        State::Queued
    );
    world.end().await;
}

#[tokio::test]
async fn a_stop_gives_the_job_back() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 3).await;
    let job = world.ask(request(Format::Csv, &[])).await;
    let (store, steps) = Stopping::new(Arc::clone(&world.store), 1, false);
    let worker = world.worker_on(Arc::new(store));
    let shutdown = Shutdown::new();
    let stop = async {
        steps.reached.notified().await;
        shutdown.begin();
    };
    tokio::join!(export_worker::run(worker.clone(), shutdown.clone()), stop);
    assert_eq!(world.job(job.id).await.state, State::Queued);
    // At once, without waiting for a lease.
    world.worker().catch_up().await.unwrap();
    assert_eq!(world.job(job.id).await.state, State::Finished);
    worker.close().await;
    world.end().await;
}

/// As a bucket that is gone, or a role that may not write.
async fn refused(place: Place) {
    let world = World::new(place).await;
    world.fill("default", 3).await;
    let worker = world.worker();
    world.refuse().await;
    let hopeless = world.ask(request(Format::Csv, &[])).await;
    for refused in 1..jobs::MOST_REFUSED {
        worker.catch_up().await.unwrap();
        let job = world.job(hopeless.id).await;
        assert_eq!((job.state, job.refused), (State::Queued, refused));
        assert_eq!(job.attempt, refused, "it waits before it is tried again");
        world.hurry().await;
    }
    worker.catch_up().await.unwrap();
    let job = world.job(hopeless.id).await;
    assert_eq!(job.state, State::Failed);
    assert_eq!(job.failure.unwrap().code, "store_refused");

    // What is put right in time costs nothing but time.
    let job = world.ask(request(Format::Jsonl, &[])).await;
    worker.catch_up().await.unwrap();
    assert_eq!(world.job(job.id).await.refused, 1);
    world.accept().await;
    world.hurry().await;
    worker.catch_up().await.unwrap();
    let job = world.job(job.id).await;
    assert_eq!((job.state, job.attempt), (State::Finished, 2));
    worker.close().await;
    world.end().await;
}

#[tokio::test]
async fn what_a_directory_refuses_for_long_fails() {
    refused(Place::Directory).await;
}

#[tokio::test]
async fn what_s3_refuses_for_long_fails() {
    refused(Place::S3).await;
}

/// Who asked for it died before it was on the trail: nobody makes that file.
#[tokio::test]
async fn a_job_without_a_record_is_not_worked_on_and_goes() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 1).await;
    let id = Uuid::now_v7();
    let csv = || request(Format::Csv, &[]);
    let made = world.try_make(&world.tenant, id, csv()).await.unwrap();
    let worker = world.worker();
    worker.catch_up().await.unwrap();
    worker.clean_up().await.unwrap();
    assert_eq!(world.job(id).await, made);

    world
        .sql("update export.jobs set created_at = created_at - interval '2 minutes'")
        .await;
    worker.clean_up().await.unwrap();
    assert_eq!(world.jobs.get(world.tenant.id, id).await.unwrap(), None);
    let jobs = &world.jobs;
    let record = made.unrecorded.unwrap();
    let late = jobs.recorded(world.tenant.id, id, record).await;
    assert!(matches!(late, Err(jobs::Error::Lost)), "{late:?}");
    // Nor does that record stand for another job of this id.
    world.try_make(&world.tenant, id, csv()).await.unwrap();
    let late = jobs.recorded(world.tenant.id, id, record).await;
    assert!(matches!(late, Err(jobs::Error::Lost)), "{late:?}");
    worker.close().await;
    world.end().await;
}

/// While the object store is down every job is one of these: whoever watches has to see them.
#[tokio::test]
async fn a_job_that_was_put_back_counts_as_waiting() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 1).await;
    let job = world.ask(request(Format::Csv, &[])).await;
    let work = export::Jobs::open(&world.url.as_str().into(), jobs::Role::Work, 1).unwrap();
    let waiting = async || work.waiting().await.unwrap().jobs;
    assert_eq!(waiting().await, 1);
    let lease = Duration::from_mins(1);
    let claimed = work.claim(lease, Room::Any).await.unwrap().unwrap();
    assert_eq!(waiting().await, 0, "somebody is at it");
    let later = jobs::Ending::Later(Duration::from_hours(1));
    work.end(claimed.claim(), &later).await.unwrap();
    assert_eq!(work.claim(lease, Room::Any).await.unwrap(), None, "not yet");
    assert_eq!(waiting().await, 1);
    let before = work.waiting().await.unwrap().longest;
    let asked = "set session_replication_role = replica;
        update export.jobs set created_at = created_at - interval '1 day'";
    world.sql(asked).await;
    let longest = work.waiting().await.unwrap().longest;
    assert!(longest >= before + Duration::from_hours(24), "{longest:?}");
    assert_eq!(world.job(job.id).await.state, State::Queued);
    work.close().await;
    world.end().await;
}

/// A ledger of another name would make every chain look damaged.
#[tokio::test]
async fn a_worker_of_another_installation_takes_nothing() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 1).await;
    let job = world.ask(request(Format::Csv, &[])).await;
    let config = ledger::Config::new(world.url.as_str().into(), "other.test".to_owned());
    let ledger = ledger::Ledger::read_only(config).unwrap();
    let work = export::Jobs::open(&world.url.as_str().into(), jobs::Role::Work, 1).unwrap();
    let worker = export_worker::State::new(
        ledger,
        work,
        Arc::clone(&world.store),
        None,
        world.feed.clone(),
        Settings::default(),
    );
    worker.catch_up().await.unwrap_err();
    assert_eq!(world.job(job.id).await.state, State::Queued);
    worker.close().await;
    world.end().await;
}
