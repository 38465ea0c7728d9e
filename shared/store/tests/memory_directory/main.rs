//! Memory of a large object on its way through a directory, in a process of its own, since tests share theirs. Needs what
//! `tests/it` needs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../it/passing.rs"]
mod passing;
#[path = "../it/rig.rs"]
#[expect(dead_code, reason = "the suite uses more of it")]
mod rig;

#[tokio::test]
async fn a_large_object_passes_in_constant_memory() {
    passing::pass(rig::Rig::directory().await).await;
}
