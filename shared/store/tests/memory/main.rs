//! Memory of large objects, in a process of its own, since tests share theirs. Needs what `tests/it` needs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../it/rig.rs"]
#[expect(dead_code, reason = "the other suite uses more of it")]
mod rig;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use self::rig::Rig;

const OBJECT: usize = 64 << 20;
const PIECE: usize = 64 << 10;
/// Two parts of 8 MiB, what the client copies of them, and what the allocator keeps: far from the whole object.
const BOUND: usize = 40 << 20;

#[tokio::test]
async fn a_large_object_passes_in_constant_memory() {
    pass(Rig::directory().await).await;
    pass(Rig::s3().await).await;
}

async fn pass(rig: Rig) {
    // Connections and code are there before the measurement.
    rig.put("small", "x").await;
    rig.get("small").await.unwrap();
    // What the process has now is the most it had (proc_pid_clear_refs(5)). Where the kernel has no such file, the second
    // store may use what the first one did.
    std::fs::write("/proc/self/clear_refs", "5").ok();
    let before = peak();
    let mut upload = rig.store.write("large").await.unwrap();
    for n in 0..OBJECT / PIECE {
        let piece = Bytes::from(vec![u8::try_from(n % 251).unwrap(); PIECE]);
        upload.write(piece).await.unwrap();
    }
    upload.finish().await.unwrap();
    let mut object = rig.store.read("large", None).await.unwrap();
    assert_eq!(object.size, OBJECT as u64);
    let mut read = 0;
    while let Some(bytes) = object.body.try_next().await.unwrap() {
        for (place, byte) in (read..).zip(&bytes) {
            assert_eq!(usize::from(*byte), place / PIECE % 251);
        }
        read += bytes.len();
    }
    assert_eq!(read, OBJECT);
    let grown = peak() - before;
    assert!(grown < BOUND, "{grown} bytes more at the peak");
    rig.close().await;
}

/// Most memory that the process had since then, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kibibytes: usize = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kibibytes << 10
}
