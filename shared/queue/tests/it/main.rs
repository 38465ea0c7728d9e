//! One suite that both implementations pass on real servers. Needs `DATABASE_URL` of a superuser on a server
//! where databases may be created, and `LOCALSTACK_URL`, with `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`
//! and `AWS_REGION` as LocalStack takes them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bounds;
mod contract;
mod letters;
mod outage;
mod postgres;
mod rig;
mod sharing;
mod sqs;
