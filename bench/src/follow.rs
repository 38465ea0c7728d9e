//! Subscribers of the live stream: so many sockets in a thread of their own that read, count and
//! take the time of what is delivered. They do as little as a client can, since they share the cores
//! with what is measured. Never miss a frame silently: whoever was left out ends the measurement.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use chain::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::LocalSet;
use tokio::time::timeout;

/// Subscribers that connect at the same time.
const CONNECTING: usize = 32;
/// For all to be connected, and for the last frames to come.
const PATIENCE: Duration = Duration::from_mins(1);
/// What an entry's frame begins with.
const ENTRY: &[u8] = br#"{"type":"entry""#;
const RECEIVED_AT: &[u8] = br#""received_at":""#;

/// Subscribers that are connected and ready.
pub(crate) struct Followers {
    thread: JoinHandle<Result<Delivered>>,
    /// How many entries have to be delivered in all.
    expected: oneshot::Sender<u64>,
}

/// What came.
#[derive(Default)]
pub(crate) struct Delivered {
    /// From an entry's receipt to its delivery, in microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
    /// Deliveries that a subscriber was told he would not get, since he was too slow.
    pub(crate) left_out: u64,
}

impl Followers {
    /// One subscriber for each token, to the partition `default` of its tenant. Every `sampled`th
    /// entry has its time taken.
    pub(crate) async fn connect(
        address: SocketAddr,
        tokens: Vec<String>,
        sampled: u64,
    ) -> Result<Self> {
        let (ready, connected) = oneshot::channel();
        let (expected, expecting) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let following = follow(address, tokens, sampled, ready, expecting);
            LocalSet::new().block_on(&runtime, following)
        });
        // An error that ends the thread is told by joining it.
        let connected = connected.await.is_ok();
        let followers = Self { thread, expected };
        if !connected {
            followers.finish(0).await?;
            bail!("the subscribers ended early");
        }
        Ok(followers)
    }

    /// Waits until so many entries were delivered to all together, or named as left out.
    pub(crate) async fn finish(self, expected: u64) -> Result<Delivered> {
        let _ = self.expected.send(expected);
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
        let mut delivered =
            joined.map_err(|_| anyhow::anyhow!("the subscribers' thread panicked"))??;
        delivered.latencies.sort_unstable();
        Ok(delivered)
    }
}

async fn follow(
    address: SocketAddr,
    tokens: Vec<String>,
    sampled: u64,
    ready: oneshot::Sender<()>,
    expecting: oneshot::Receiver<u64>,
) -> Result<Delivered> {
    let counts = Rc::new(Counts::default());
    let doors = Arc::new(Semaphore::new(CONNECTING));
    let mut connecting = Vec::new();
    for token in tokens {
        let doors = Arc::clone(&doors);
        connecting.push(tokio::task::spawn_local(async move {
            let _door = doors.acquire_owned().await?;
            Subscriber::connect(address, &token).await
        }));
    }
    let mut running = Vec::new();
    for subscriber in connecting {
        let subscriber = timeout(PATIENCE, subscriber)
            .await
            .context("connecting")???;
        let reading = subscriber.read(sampled, Rc::clone(&counts));
        running.push(tokio::task::spawn_local(reading));
    }
    let _ = ready.send(());
    let expected = expecting
        .await
        .context("nobody waits for the subscribers")?;
    let all = async {
        while counts.delivered.get() + counts.left_out.get() < expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let complete = timeout(PATIENCE, all).await.is_ok();
    for reading in running {
        if reading.is_finished() {
            reading.await??;
            bail!("a subscriber's stream ended");
        }
        reading.abort();
    }
    let left_out = counts.left_out.get();
    let count = counts.delivered.get() + left_out;
    ensure!(
        complete && count == expected,
        "{count} of {expected} deliveries"
    );
    let latencies = counts.latencies.take();
    Ok(Delivered {
        latencies,
        left_out,
    })
}

/// Of all subscribers.
#[derive(Default)]
struct Counts {
    delivered: Cell<u64>,
    left_out: Cell<u64>,
    /// In microseconds.
    latencies: RefCell<Vec<u32>>,
}

struct Subscriber {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was received, and what of that was looked at.
    filled: usize,
    done: usize,
}

impl Subscriber {
    /// Returns when the stream is live.
    async fn connect(address: SocketAddr, token: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET /api/v1/logs/stream?partition=default HTTP/1.1\r\nhost: {address}\r\n\
             authorization: Bearer {token}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut subscriber = Self {
            stream,
            buffer: vec![0; 32 << 10],
            filled: 0,
            done: 0,
        };
        loop {
            let received = &subscriber.buffer[..subscriber.filled];
            if let Some(end) = find(received, b"\r\n\r\n") {
                let answer = String::from_utf8_lossy(&received[..end]);
                ensure!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
                subscriber.done = end + 4;
                break;
            }
            subscriber.receive().await?;
        }
        while !subscriber.frame().await?.ends_with(br#""type":"ready"}"#) {}
        Ok(subscriber)
    }

    async fn read(mut self, sampled: u64, counts: Rc<Counts>) -> Result<()> {
        let mut own = 0;
        loop {
            let frame = self.frame().await?;
            if !frame.starts_with(ENTRY) {
                counts
                    .left_out
                    .set(counts.left_out.get() + left_out(frame)?);
                continue;
            }
            if own % sampled == 0 {
                counts.latencies.borrow_mut().push(age(frame)?);
            }
            own += 1;
            counts.delivered.set(counts.delivered.get() + 1);
        }
    }

    /// The next frame's payload. A server's frames are not masked.
    async fn frame(&mut self) -> Result<&[u8]> {
        loop {
            let rest = &self.buffer[self.done..self.filled];
            if let Some((head, length)) = head(rest)
                && rest.len() >= head + length
            {
                let from = self.done + head;
                self.done = from + length;
                return Ok(&self.buffer[from..from + length]);
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result<()> {
        if self.done > 0 {
            self.buffer.copy_within(self.done..self.filled, 0);
            self.filled -= self.done;
            self.done = 0;
        }
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled * 2, 0);
        }
        let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
        ensure!(read > 0, "the stream broke off");
        self.filled += read;
        Ok(())
    }
}

/// Bytes of a frame's head, and of its payload (RFC 6455 §5.2).
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let big_endian = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    match bytes.get(1)? {
        126 => Some((4, big_endian(bytes.get(2..4)?))),
        127 => Some((10, big_endian(bytes.get(2..10)?))),
        length => Some((2, usize::from(*length))),
    }
}

/// How many entries a frame says are missing, which holds none itself.
fn left_out(frame: &[u8]) -> Result<u64> {
    let frame: serde_json::Value = serde_json::from_slice(frame).context("a frame")?;
    match frame["type"].as_str() {
        Some("heartbeat") => Ok(0),
        Some("lagged") => {
            let seq = |name: &str| frame[name].as_u64().context("a stretch");
            Ok(seq("to")? - seq("from")?)
        }
        _ => bail!("{frame}"),
    }
}

/// Microseconds since the entry was received; both clocks are this machine's.
fn age(frame: &[u8]) -> Result<u32> {
    let at = find(frame, RECEIVED_AT).context("a frame without a time")? + RECEIVED_AT.len();
    let text = frame[at..].split(|byte| *byte == b'"').next();
    let text = str::from_utf8(text.unwrap_or_default())?;
    let received: Timestamp = text.parse().context("the time of a frame")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let took = i64::try_from(now)? - received.as_micros();
    Ok(u32::try_from(took.max(0))?)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_every_length_are_read() {
        assert_eq!(head(&[0x81]), None);
        assert_eq!(head(&[0x81, 125]), Some((2, 125)));
        assert_eq!(head(&[0x81, 126, 1]), None);
        assert_eq!(head(&[0x81, 126, 1, 2]), Some((4, 258)));
        assert_eq!(
            head(&[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            Some((10, 65_536))
        );
    }
}
