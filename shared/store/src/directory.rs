//! Objects as files below one directory of the local disk. Never follows a symbolic link, and never leaves the
//! directory.

mod failure;
mod listing;
mod place;
mod temporary;
mod upload;

use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use url::Url;

use self::failure::blocking;
use self::place::Root;
use self::temporary::Temporary;
use crate::{Error, Listed, Object, Store, Upload, key};

/// Bytes of a body that are read at once.
const CHUNK: usize = 128 << 10;

pub(crate) struct Directory {
    root: Arc<Root>,
}

pub(crate) async fn open(url: &Url) -> Result<Directory, Error> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::InvalidUrl(
            "must be file:///DIRECTORY without options",
        ));
    }
    let path: PathBuf = url
        .to_file_path()
        .map_err(|()| Error::InvalidUrl("must be file:///DIRECTORY with an absolute path"))?;
    if path.parent().is_none() {
        return Err(Error::InvalidUrl(
            "must name a directory, not the whole disk",
        ));
    }
    let root = Root::new(path.clone());
    blocking(move || {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path)?;
        Ok(())
    })
    .await?;
    let directory = Directory {
        root: Arc::new(root),
    };
    directory.ready().await?;
    Ok(directory)
}

impl Directory {
    /// Runs file operations where waiting for a disk is allowed.
    async fn run<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Root, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        key::check(key)?;
        let (root, key) = (Arc::clone(&self.root), key.to_owned());
        blocking(move || work(&root, &key)).await
    }
}

#[async_trait]
impl Store for Directory {
    async fn create(&self, key: &str, body: Bytes) -> Result<bool, Error> {
        self.run(key, move |root, key| {
            let (temporary, file) = Temporary::create(root)?;
            io::Write::write_all(&mut &file, &body)?;
            temporary.create_as(root, key, &file)
        })
        .await
    }

    async fn write(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        let (temporary, file) = self.run(key, |root, _| Temporary::create(root)).await?;
        let root = Arc::clone(&self.root);
        Ok(Box::new(upload::begin(
            root,
            key.to_owned(),
            temporary,
            file,
        )))
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Object, Error> {
        let opened = self.run(key, |root, key| {
            let Some(place) = root.find(key)? else {
                return Err(Error::NotFound);
            };
            // Without waiting for the other end of what is no file.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let opened = match fs::openat(place.folder(), place.name(), flags, Mode::empty()) {
                Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Err(Error::NotFound),
                opened => std::fs::File::from(opened?),
            };
            let about = opened.metadata()?;
            if !about.is_file() {
                return Err(Error::NotFound);
            }
            Ok((opened, about.len()))
        });
        let (file, size) = opened.await?;
        let range = range.unwrap_or(0..size);
        let start = range.start.min(size);
        let length = range.end.min(size).saturating_sub(start);
        let mut file = tokio::fs::File::from_std(file);
        file.seek(io::SeekFrom::Start(start)).await?;
        let body = ReaderStream::with_capacity(file.take(length), CHUNK).boxed();
        Ok(Object { size, body })
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        self.run(key, |root, key| match root.find(key)? {
            Some(place) => Ok(place.file()?.map(|file| file.size)),
            None => Ok(None),
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.run(key, |root, key| {
            let Some(place) = root.find(key)? else {
                return Ok(());
            };
            if place.file()?.is_some() {
                match fs::unlinkat(place.folder(), place.name(), AtFlags::empty()) {
                    Err(Errno::NOENT) => {}
                    removed => removed?,
                }
                fs::fsync(place.folder())?;
                place.remove_empty_folders();
            }
            Ok(())
        })
        .await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Error> {
        let root = Arc::clone(&self.root);
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        blocking(move || listing::list(&root, &prefix, after.as_deref(), limit)).await
    }

    async fn link(
        &self,
        key: &str,
        _file_name: &str,
        _content_type: &str,
        _lifetime: Duration,
    ) -> Result<Option<Url>, Error> {
        key::check(key)?;
        Ok(None)
    }

    async fn sweep_uploads(&self, older_than: Duration) -> Result<u64, Error> {
        let root = Arc::clone(&self.root);
        blocking(move || temporary::sweep(&root, older_than)).await
    }

    async fn ready(&self) -> Result<(), Error> {
        let root = Arc::clone(&self.root);
        blocking(move || root.open().map(|_| ())).await
    }
}
