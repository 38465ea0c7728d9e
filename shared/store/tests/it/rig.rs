//! What each test begins with: a store of its own, which can be taken away and given back.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use proxy::{Proxy, Target};
use store::{Error, Store};
use url::Url;
use uuid::Uuid;

/// More than two parts of an upload.
pub(crate) const LARGE: usize = 20_000_000;

pub(crate) struct Rig {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Directory(PathBuf),
    S3(Box<Bucket>),
}

pub(crate) struct Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) proxy: Proxy,
}

impl Rig {
    pub(crate) async fn directory() -> Self {
        let path = std::env::temp_dir().join(format!("store-{}", Uuid::new_v4().simple()));
        let url = format!("file://{}", path.join("objects").display());
        let store = store::open(&url, None).await.unwrap();
        Self {
            store,
            kind: Kind::Directory(path),
        }
    }

    pub(crate) async fn s3() -> Self {
        let (client, endpoint) = client().await;
        let name = format!("test-{}", Uuid::new_v4().simple());
        client.create_bucket().bucket(&name).send().await.unwrap();
        let host = endpoint.host_str().unwrap().to_owned();
        let proxy = Proxy::to(Target::Tcp(host, endpoint.port().unwrap())).await;
        let url = format!("s3://{name}/some/where?endpoint=http://{}", proxy.address);
        // Users reach the server without the proxy.
        let store = store::open(&url, Some(endpoint.as_str())).await.unwrap();
        Self {
            store,
            kind: Kind::S3(Box::new(Bucket {
                client,
                name,
                proxy,
            })),
        }
    }

    pub(crate) async fn put(&self, key: &str, body: impl Into<Bytes>) {
        let mut upload = self.store.write(key).await.unwrap();
        upload.write(body.into()).await.unwrap();
        upload.finish().await.unwrap();
    }

    pub(crate) async fn get(&self, key: &str) -> Option<Vec<u8>> {
        match self.store.read(key, None).await {
            Err(Error::NotFound) => None,
            object => {
                let object = object.unwrap();
                let size = object.size;
                let body = collect(object).await;
                assert_eq!(body.len() as u64, size);
                Some(body)
            }
        }
    }

    pub(crate) async fn part(&self, key: &str, range: Range<u64>) -> (u64, Vec<u8>) {
        let object = self.store.read(key, Some(range)).await.unwrap();
        (object.size, collect(object).await)
    }

    pub(crate) async fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<String> {
        let listed = self.store.list(prefix, after, limit).await.unwrap();
        listed.into_iter().map(|listed| listed.key).collect()
    }

    pub(crate) async fn take_away(&mut self) {
        match &mut self.kind {
            Kind::Directory(path) => {
                std::fs::rename(path.join("objects"), path.join("away")).unwrap();
            }
            Kind::S3(bucket) => bucket.proxy.close().await,
        }
    }

    pub(crate) async fn give_back(&mut self) {
        match &mut self.kind {
            Kind::Directory(path) => {
                std::fs::rename(path.join("away"), path.join("objects")).unwrap();
            }
            Kind::S3(bucket) => bucket.proxy.open().await,
        }
    }

    /// How many uploads were begun and neither finished nor given up.
    pub(crate) async fn uploads(&self) -> usize {
        match &self.kind {
            Kind::Directory(path) => match std::fs::read_dir(path.join("objects/.uploads")) {
                Ok(files) => files.count(),
                Err(_) => 0,
            },
            Kind::S3(bucket) => {
                let uploads = bucket.client.list_multipart_uploads().bucket(&bucket.name);
                uploads.send().await.unwrap().uploads().len()
            }
        }
    }

    pub(crate) async fn close(self) {
        match self.kind {
            Kind::Directory(path) => std::fs::remove_dir_all(path).unwrap(),
            Kind::S3(bucket) => bucket.remove().await,
        }
    }
}

impl Bucket {
    async fn remove(&self) {
        loop {
            let listed = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .send()
                .await
                .unwrap();
            let keys = listed.contents().iter().map(|object| {
                let identifier = ObjectIdentifier::builder().key(object.key().unwrap());
                identifier.build().unwrap()
            });
            let delete = Delete::builder()
                .set_objects(Some(keys.collect()))
                .build()
                .unwrap();
            if delete.objects().is_empty() {
                break;
            }
            let deleted = self
                .client
                .delete_objects()
                .bucket(&self.name)
                .delete(delete);
            deleted.send().await.unwrap();
        }
        let uploads = self
            .client
            .list_multipart_uploads()
            .bucket(&self.name)
            .send()
            .await
            .unwrap();
        for upload in uploads.uploads() {
            let abort = self.client.abort_multipart_upload().bucket(&self.name);
            let abort = abort
                .set_key(upload.key.clone())
                .set_upload_id(upload.upload_id.clone());
            // What was dropped unfinished may be aborting itself.
            if let Err(error) = abort.send().await {
                let error = error.into_service_error();
                assert!(error.is_no_such_upload(), "{error}");
            }
        }
        self.client
            .delete_bucket()
            .bucket(&self.name)
            .send()
            .await
            .unwrap();
    }
}

/// A client that does not go through the crate, and the address of its server.
pub(crate) async fn client() -> (Client, Url) {
    let found = std::env::vars().find(|(name, _)| name == "LOCALSTACK_URL");
    let (_, endpoint) = found.expect("LOCALSTACK_URL is set");
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let loader = loader
        .endpoint_url(&endpoint)
        .region(Region::new("us-east-1"));
    let config = aws_sdk_s3::config::Builder::from(&loader.load().await).force_path_style(true);
    (
        Client::from_conf(config.build()),
        Url::parse(&endpoint).unwrap(),
    )
}

pub(crate) async fn collect(object: store::Object) -> Vec<u8> {
    let chunks: Vec<Bytes> = object.body.try_collect().await.unwrap();
    chunks.concat()
}

/// Bytes that tell where in the object they are.
pub(crate) fn bytes(length: usize) -> Bytes {
    let numbers = (0_u32..).flat_map(u32::to_be_bytes);
    numbers.take(length).collect()
}
