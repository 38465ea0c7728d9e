//! What the embedded index puts off while its machine has more urgent things to do.

use std::path::Path;

use crate::entries::small;
use crate::world::{Kind, World};

const START: i64 = 1_700_000_000_000_000;

#[tokio::test]
async fn segments_are_merged_when_there_is_time() {
    let world = World::open(Kind::Embedded).await;
    let tenant = world.tenant().await;
    world.settings.busy.set(true);
    for seq in 0..20 {
        world.write(tenant, &[small("default", seq, START)]).await;
    }
    let directory = world.directory().unwrap().clone();
    assert_eq!(segments(&directory), 20, "put off");

    world.settings.busy.set(false);
    let merged = async {
        for seq in 20.. {
            world.write(tenant, &[small("default", seq, START)]).await;
            if segments(&directory) < 20 {
                return;
            }
        }
    };
    let limit = std::time::Duration::from_mins(1);
    tokio::time::timeout(limit, merged).await.expect("merged");
    world.end().await;
}

/// Each has one file of terms.
fn segments(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.extension() {
            _ if path.is_dir() => segments(&path),
            Some(extension) if extension == "term" => 1,
            _ => 0,
        })
        .sum()
}
