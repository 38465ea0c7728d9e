//! Request bodies: read after the credential, bounded in size, time and total memory.

use std::ops::Deref;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;

use crate::error::ApiError;

/// A body that is not read yet. Take it as the last argument of a handler, after [`crate::Caller`].
#[derive(Debug)]
pub struct Upload {
    request: Request,
}

/// A body in memory; its share of the budget is given back when this is dropped.
#[derive(Debug)]
pub struct Held {
    bytes: Bytes,
}

impl Upload {
    /// Reads a JSON body of at most `limit` bytes: 415 for another content type, 413 when longer
    /// (by `content-length` before anything is read), 408 when it stops coming, 429 when the
    /// process or the tenant holds too many body bytes already.
    pub async fn read_json(self, limit: usize) -> Result<Held, ApiError> {
        let _ = (self.request, limit);
        todo!()
    }

    /// The same for any content type that starts with `media_type`.
    pub async fn read(self, media_type: &str, limit: usize) -> Result<Held, ApiError> {
        let _ = (self.request, media_type, limit);
        todo!()
    }
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Ok(Self { request })
    }
}
