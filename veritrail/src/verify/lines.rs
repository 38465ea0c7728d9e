//! Lines of an answer as it comes, never more than one of them in memory.

use anyhow::{Context as _, bail};
use bytes::{Buf as _, Bytes, BytesMut};
use reqwest::Response;

/// An entry's texts are at most 308 KiB, six times that when all is escaped, and
/// the document is escaped once more.
const LONGEST: usize = 8 << 20;

pub(super) struct Lines {
    answer: Response,
    buffer: BytesMut,
    /// Of the buffer, what holds no line break.
    searched: usize,
}

impl Lines {
    pub(super) fn new(answer: Response) -> Self {
        Self {
            answer,
            buffer: BytesMut::new(),
            searched: 0,
        }
    }

    /// The next line without its break; `None` at the end.
    ///
    /// # Errors
    /// The answer broke off, in the middle of a line or not.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            let rest = &self.buffer[self.searched..];
            if let Some(at) = memchr::memchr(b'\n', rest) {
                let line = self.buffer.split_to(self.searched + at).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > LONGEST {
                bail!("a line of the evidence is longer than any entry");
            }
            match self
                .answer
                .chunk()
                .await
                .map_err(reqwest::Error::without_url)
                .context("the evidence broke off")?
            {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None if self.buffer.is_empty() => return Ok(None),
                None => bail!("the evidence broke off"),
            }
        }
    }
}
