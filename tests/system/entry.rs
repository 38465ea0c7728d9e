//! One address in front of the services, as a proxy is in front of them elsewhere: what belongs to
//! auth-service goes there, all else to the log-services in turn. It reads the head of a request,
//! asks that the connection be used for this one, and then only carries bytes, so that streams and
//! sockets pass as they are.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The beginnings of the paths that are auth-service's.
const AUTH: [&str; 7] = [
    "/api/v1/auth/",
    "/api/v1/keys/",
    "/api/v1/service-accounts",
    "/api/v1/tenants",
    "/api/v1/users",
    "/.well-known/",
    "/oauth/",
];
const HEAD_BYTES: usize = 64 * 1024;
const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Carries until it is dropped.
pub struct Entry {
    url: String,
    task: JoinHandle<()>,
}

struct Behind {
    auth: String,
    logs: Vec<String>,
    turn: AtomicUsize,
}

impl Entry {
    /// Port 0 takes a free one.
    pub async fn start(
        listen: SocketAddr,
        auth_url: &str,
        log_urls: &[String],
    ) -> anyhow::Result<Self> {
        let address = |url: &str| {
            let address = url.strip_prefix("http://").map(ToOwned::to_owned);
            address.with_context(|| format!("{url} is no address of a service"))
        };
        let logs = log_urls.iter().map(|url| address(url));
        let behind = Arc::new(Behind {
            auth: address(auth_url)?,
            logs: logs.collect::<anyhow::Result<_>>()?,
            turn: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind(listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, Arc::clone(&behind)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { url, task })
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, behind: Arc<Behind>) -> io::Result<()> {
    let Some((head, rest)) = head(&mut client).await? else {
        return Ok(());
    };
    let Ok(mut service) = connect(&head, &behind).await else {
        return client.write_all(UNAVAILABLE).await;
    };
    client.set_nodelay(true)?;
    service.set_nodelay(true)?;
    service.write_all(once(&head).as_bytes()).await?;
    service.write_all(&rest).await?;
    copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}

/// A log-service that is away is passed over: nothing of the request has been sent yet.
async fn connect(head: &str, behind: &Behind) -> io::Result<TcpStream> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    if AUTH.iter().any(|begin| path.starts_with(begin)) {
        return TcpStream::connect(&behind.auth).await;
    }
    let first = behind.turn.fetch_add(1, Ordering::Relaxed);
    let mut outcome = Err(io::ErrorKind::NotConnected.into());
    for step in 0..behind.logs.len() {
        let address = &behind.logs[(first + step) % behind.logs.len()];
        outcome = TcpStream::connect(address).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// The request's head with its last empty line, and what came with it.
async fn head(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            let head = String::from_utf8(read).map_err(io::Error::other)?;
            return Ok(Some((head, rest)));
        }
        if read.len() > HEAD_BYTES || client.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
    }
}

/// The head with a wish that the connection be closed after the answer, unless it becomes a socket.
fn once(head: &str) -> String {
    let is = |line: &str, name: &str| {
        let begin = line.split(':').next().unwrap_or_default();
        begin.eq_ignore_ascii_case(name)
    };
    if head.lines().any(|line| is(line, "upgrade")) {
        return head.to_owned();
    }
    let lines = head.split_inclusive("\r\n");
    let mut kept: String = lines.filter(|line| !is(line, "connection")).collect();
    kept.truncate(kept.len() - 2);
    kept + "connection: close\r\n\r\n"
}
