//! A large object on its way through a store, and the memory that it takes. For a test that has its process to itself.

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use crate::rig::Rig;

const OBJECT: usize = 64 << 20;
const PIECE: usize = 64 << 10;
/// Two parts of 8 MiB, what the client copies of them, and what the allocator keeps: far from the whole object.
const BOUND: usize = 40 << 20;

pub(crate) async fn pass(rig: Rig) {
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

/// Most memory that the process had so far, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kibibytes: usize = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kibibytes << 10
}
