//! Objects: S3 or a directory. Never knows what an object means, and never makes one public.

mod directory;
mod error;
mod key;
mod s3;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use url::Url;

pub use error::Error;

/// Objects under keys. All methods may be called from many tasks and processes.
///
/// Every method answers within bounded time and gives [`Error::Unavailable`] when the server does not;
/// the next call then works if the server does.
///
/// A key is 1 to 512 bytes of segments between slashes; a segment is 1 to 200 bytes `a-z 0-9 . _ -` and
/// begins with a letter or digit; anything else is [`Error::InvalidKey`]. No key may be the folder of
/// another (`a` and `a/b`): a directory cannot hold both.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes an object that must not be there yet; `false` when it is, and then nothing was changed. Of
    /// several writers at once exactly one gets `true`. Durable and visible as a whole when it returns.
    async fn create(&self, key: &str, body: Bytes) -> Result<bool, Error>;

    /// Begins an object of any size (on S3 at most 78 GiB), in constant memory. It replaces what is under
    /// the key when it is finished, and is not visible before.
    async fn write(&self, key: &str) -> Result<Box<dyn Upload>, Error>;

    /// The object, or a range of it: the end is cut to the object's, and a range beyond it is empty.
    /// [`Error::NotFound`] when there is none. The body is read from the store as it is asked for.
    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Object, Error>;

    /// In bytes; `None` when there is no such object.
    async fn size(&self, key: &str) -> Result<Option<u64>, Error>;

    /// Durable when it returns; fine when there is no such object.
    async fn delete(&self, key: &str) -> Result<(), Error>;

    /// Objects whose key begins with `prefix` (any text, not only whole segments; empty for all) and is
    /// greater than `after`, in byte order of their keys; fewer than `limit` only when there are no more.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Error>;

    /// A link that reads this object without further credentials until it is `lifetime` old (1 s to 7
    /// days; no longer than the credentials that sign it), as a download with this name and type. Whether
    /// the object is there is not asked. `None` where there are no links: in a directory.
    async fn link(
        &self,
        key: &str,
        file_name: &str,
        content_type: &str,
        lifetime: Duration,
    ) -> Result<Option<Url>, Error>;

    /// Removes what uploads that were begun longer ago left behind; returns how many. One that is still
    /// going on fails then, so this is longer than any upload takes: a day.
    async fn sweep_uploads(&self, older_than: Duration) -> Result<u64, Error>;

    /// Answers when the store can be reached.
    async fn ready(&self) -> Result<(), Error>;
}

/// An object being written. Dropping it gives up like [`Upload::abort`].
#[async_trait]
pub trait Upload: Send {
    /// Adds to the end. Waits when the store is slower than the caller. After an error, or when the
    /// future was dropped, the object cannot be finished any more.
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error>;

    /// Makes the object visible: durable as a whole when it returns. After [`Error::Unavailable`] it may
    /// or may not be there.
    async fn finish(self: Box<Self>) -> Result<(), Error>;

    /// Gives up; what cannot be removed now is removed by [`Store::sweep_uploads`].
    async fn abort(self: Box<Self>);
}

/// An object that is being read.
pub struct Object {
    /// Of the whole object, in bytes, also when a range was asked for.
    pub size: u64,
    /// Ends with an error when the store goes away in between.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// An object as a list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub size: u64,
    pub modified: SystemTime,
}

/// The store that `url` names:
///
/// - `s3://BUCKET/PREFIX`: region, credentials and endpoint as every AWS client finds them
///   (`AWS_REGION`, `AWS_ENDPOINT_URL`, profile, instance role …). Options: `endpoint=URL`,
///   `region=NAME`, `path-style=true|false` (true with an endpoint of one's own, as LocalStack and `MinIO`
///   want it), `sse=AES256|aws:kms`, `kms-key=ID`. `public_endpoint` is the address under which users
///   reach the same server: links name it.
/// - `file:///DIRECTORY`: made when it is not there.
///
/// A server that is down is no error here; a bucket that is not there is one.
pub async fn open(url: &str, public_endpoint: Option<&str>) -> Result<Arc<dyn Store>, Error> {
    let url = Url::parse(url).map_err(|_| Error::InvalidUrl("is not a URL"))?;
    match url.scheme() {
        "s3" => Ok(Arc::new(s3::open(&url, public_endpoint).await?)),
        "file" => Ok(Arc::new(directory::open(&url).await?)),
        _ => Err(Error::InvalidUrl("begins with neither s3: nor file:")),
    }
}
