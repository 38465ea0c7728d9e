//! The worker on a real PostgreSQL, with both indices and both queues. Needs `DATABASE_URL` of a
//! superuser, `OPENSEARCH_URL`, and `LOCALSTACK_URL` with the AWS environment of its client.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod appended;
mod catching_up;
mod crowded;
mod faults;
mod forms;
mod gauges;
mod hints;
mod killed;
mod overtaken;
mod rebuilding;
mod together;
mod world;
