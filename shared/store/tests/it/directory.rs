//! What only a directory can be: shared with others of the machine.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use store::Error;

use crate::rig::{Kind, Rig};

fn root(rig: &Rig) -> PathBuf {
    match &rig.kind {
        Kind::Directory(path) => path.join("objects"),
        Kind::S3(_) => unreachable!("this rig is of a directory"),
    }
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn only_the_owner_can_read() {
    let rig = Rig::directory().await;
    rig.put("a/b", "x").await;
    assert!(rig.store.create("a/c", Bytes::from("y")).await.unwrap());
    let root = root(&rig);
    for folder in ["", ".uploads", "a"] {
        assert_eq!(mode(&root.join(folder)), 0o700, "{folder}");
    }
    for file in ["a/b", "a/c"] {
        assert_eq!(mode(&root.join(file)), 0o600, "{file}");
    }
    rig.close().await;
}

#[tokio::test]
async fn links_are_not_followed() {
    let rig = Rig::directory().await;
    let root = root(&rig);
    let outside = root.with_file_name("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, root.join("folder")).unwrap();
    symlink(outside.join("secret"), root.join("file")).unwrap();

    for key in ["folder/secret", "file"] {
        assert!(rig.get(key).await.is_none(), "{key}");
        assert_eq!(rig.store.size(key).await.unwrap(), None, "{key}");
        rig.store.delete(key).await.unwrap();
    }
    assert!(rig.keys("", None, 10).await.is_empty());
    let created = rig.store.create("folder/new", Bytes::from("x")).await;
    assert!(matches!(created, Err(Error::Refused(_))), "{created:?}");
    let upload = rig.store.write("folder/secret").await.unwrap();
    let finished = upload.finish().await;
    assert!(matches!(finished, Err(Error::Refused(_))), "{finished:?}");
    // A link is replaced and not written through.
    assert!(!rig.store.create("file", Bytes::from("x")).await.unwrap());
    rig.put("file", "mine").await;
    assert_eq!(rig.get("file").await.unwrap(), b"mine");
    let secret = std::fs::read_to_string(outside.join("secret")).unwrap();
    assert_eq!(secret, "secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(rig.uploads().await, 0);
    rig.close().await;
}

#[tokio::test]
async fn an_object_is_no_folder() {
    let rig = Rig::directory().await;
    rig.put("a/b", "x").await;
    for key in ["a", "a/b/c"] {
        let created = rig.store.create(key, Bytes::new()).await;
        assert!(
            matches!(created, Err(Error::Refused(_))),
            "{key}: {created:?}"
        );
        let upload = rig.store.write(key).await.unwrap();
        let finished = upload.finish().await;
        assert!(
            matches!(finished, Err(Error::Refused(_))),
            "{key}: {finished:?}"
        );
    }
    assert_eq!(rig.get("a/b").await.unwrap(), b"x");
    assert_eq!(rig.uploads().await, 0);
    rig.close().await;
}

#[tokio::test]
async fn folders_come_and_go_under_many_writers() {
    let rig = Rig::directory().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = std::sync::Arc::clone(&rig.store);
        writers.spawn(async move {
            for n in 0..50 {
                let key = format!("deep/er/{writer}-{n}");
                assert!(store.create(&key, Bytes::from("x")).await.unwrap());
                store.delete(&key).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let left = std::fs::read_dir(root(&rig))
        .unwrap()
        .map(|item| item.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), [".uploads"]);
    rig.close().await;
}

#[tokio::test]
async fn a_url_that_names_no_directory_says_why() {
    for url in [
        "file://",
        "file://host/a",
        "file:///a?b=c",
        "ftp://a",
        "a",
        "file:///dev/null/a",
    ] {
        let opened = store::open(url, None).await;
        assert!(
            matches!(opened, Err(Error::InvalidUrl(_) | Error::Refused(_))),
            "{url}"
        );
    }
}
