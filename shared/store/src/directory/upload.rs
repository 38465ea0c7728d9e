//! An object written to a temporary file, which takes its place as a whole.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::failure::blocking;
use super::place::Root;
use super::temporary::Temporary;
use crate::{Error, Upload};

/// Small writes are gathered to so many bytes, then written on a thread where waiting is allowed.
const GATHERED: usize = 1 << 20;

struct Writing {
    root: Arc<Root>,
    key: String,
    temporary: Temporary,
    file: Arc<File>,
    buffer: BytesMut,
    /// No write failed or was dropped halfway: bytes of it may be missing.
    whole: bool,
}

pub(super) fn begin(root: Arc<Root>, key: String, temporary: Temporary, file: File) -> impl Upload {
    Writing {
        root,
        key,
        temporary,
        file: Arc::new(file),
        buffer: BytesMut::new(),
        whole: true,
    }
}

impl Writing {
    async fn put(&mut self, bytes: Bytes) -> Result<(), Error> {
        let file = Arc::clone(&self.file);
        blocking(move || Ok((&*file).write_all(&bytes)?)).await
    }

    async fn add(&mut self, bytes: Bytes) -> Result<(), Error> {
        if self.buffer.len() + bytes.len() >= GATHERED {
            self.flush().await?;
        }
        if bytes.len() >= GATHERED {
            return self.put(bytes).await;
        }
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let bytes = self.buffer.split().freeze();
        self.put(bytes).await
    }
}

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let whole = std::mem::replace(&mut self.whole, false);
        self.add(bytes).await?;
        self.whole = whole;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), Error> {
        if !self.whole {
            return Err(Error::not_whole());
        }
        self.flush().await?;
        let Self {
            root,
            key,
            temporary,
            file,
            ..
        } = *self;
        blocking(move || temporary.replace(&root, &key, &file)).await
    }

    async fn abort(self: Box<Self>) {
        // Dropping does it.
    }
}
