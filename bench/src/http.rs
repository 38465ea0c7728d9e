//! One keep-alive HTTP/1.1 connection, for the measured path only: it does as little as a
//! client can, since it shares the cores with what it measures. Never pipelines, never retries.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Larger answers than the receipts of 1,000 entries are an error.
const MOST_BYTES: usize = 1 << 20;

pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    filled: usize,
}

/// Status and body of an answer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: vec![0; 4096],
            filled: 0,
        })
    }

    /// Sends a whole request and waits for its whole answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>, Error> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        loop {
            if self.filled == self.received.len() {
                if self.filled >= MOST_BYTES {
                    return Err(Error::other("an answer over 1 MiB"));
                }
                self.received.resize(self.filled * 2, 0);
            }
            let read = self.stream.read(&mut self.received[self.filled..]).await?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.filled += read;
            if let Some(head) = Head::parse(&self.received[..self.filled])?
                && self.filled >= head.length + head.body
            {
                let body = &self.received[head.length..head.length + head.body];
                return Ok(Answer {
                    status: head.status,
                    body,
                });
            }
        }
    }
}

/// What is needed of the lines before the body.
struct Head {
    status: u16,
    /// Bytes up to the body.
    length: usize,
    /// Bytes of the body.
    body: usize,
}

impl Head {
    /// `None` while the head is not complete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let odd = || Error::other("an answer without a status or a content-length");
        let head = str::from_utf8(&bytes[..end]).map_err(|_| odd())?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let body = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim())
        });
        Ok(Some(Self {
            status: status.and_then(|text| text.parse().ok()).ok_or_else(odd)?,
            length: end + 4,
            body: body.and_then(|text| text.parse().ok()).ok_or_else(odd)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nx: y\r\n\r\n{";
        let head = Head::parse(whole).unwrap().unwrap();
        assert_eq!(
            (head.status, head.length, head.body),
            (201, whole.len() - 1, 12)
        );
        assert!(Head::parse(&whole[..40]).unwrap().is_none());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(Head::parse(b"nonsense\r\n\r\n").is_err());
    }
}
