//! Memory of large objects, measured on a process of its own, since tests share theirs.

use std::process::Command;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use crate::rig::Rig;

const OBJECT: usize = 64 << 20;
const PIECE: usize = 64 << 10;
/// Two parts of 8 MiB, what the client copies of them, and what the allocator keeps: far from the whole object.
const BOUND: usize = 40 << 20;

#[test]
fn a_large_object_passes_in_constant_memory() {
    for measured in ["in_a_directory", "on_s3"] {
        let this = std::env::current_exe().unwrap();
        let name = format!("memory::{measured}");
        let run = Command::new(this)
            .args([&name, "--exact", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
}

#[tokio::test]
#[ignore = "run by the test above, alone in its process"]
async fn in_a_directory() {
    pass(Rig::directory().await).await;
}

#[tokio::test]
#[ignore = "run by the test above, alone in its process"]
async fn on_s3() {
    pass(Rig::s3().await).await;
}

async fn pass(rig: Rig) {
    // Connections and code are there before the measurement.
    rig.put("small", "x").await;
    rig.get("small").await.unwrap();
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

/// Most memory that the process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kibibytes: usize = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kibibytes << 10
}
