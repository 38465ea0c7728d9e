//! One suite that both implementations pass, on a real server and a real file system. Needs `LOCALSTACK_URL`, with
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_REGION` as LocalStack takes them; it must check signatures
//! (`S3_SKIP_SIGNATURE_VALIDATION=0`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;
mod directory;
mod listing;
mod outage;
mod rig;
mod s3;
mod uploads;
