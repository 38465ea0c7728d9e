//! What stands in front of a server, for tests, and can be closed.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use url::Url;

/// Where a server listens.
#[derive(Clone)]
pub enum Target {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Target {
    /// Where a PostgreSQL listens, and its URL made ready for another host and port. A folder named by
    /// the parameter `host` has a socket named after the port in it.
    pub fn of_postgres(url: &str) -> (Self, Url) {
        let mut url = Url::parse(url).unwrap();
        let parameter = |name: &str| {
            let mut pairs = url.query_pairs();
            let found = pairs.find(|(parameter, _)| parameter == name);
            found.map(|(_, value)| value.into_owned())
        };
        let Some(folder) = parameter("host") else {
            let host = url.host_str().unwrap().to_owned();
            return (Self::Tcp(host, url.port().unwrap_or(5432)), url);
        };
        let port = parameter("port").unwrap_or_else(|| "5432".to_owned());
        let socket = Path::new(&folder).join(format!(".s.PGSQL.{port}"));
        let user = parameter("user").unwrap_or_else(|| url.username().to_owned());
        // Whatever is there, a host is needed before a user can be set.
        url.set_host(Some("localhost")).unwrap();
        url.set_username(&user).unwrap();
        url.set_query(None);
        (Self::Unix(socket), url)
    }
}

/// Passes bytes on until it is closed: then it refuses connections and ends those that are open.
pub struct Proxy {
    pub address: SocketAddr,
    target: Target,
    running: Option<JoinHandle<()>>,
    connections: Arc<AtomicU32>,
}

impl Proxy {
    pub async fn to(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = Self {
            address: listener.local_addr().unwrap(),
            target,
            running: None,
            connections: Arc::default(),
        };
        proxy.run(listener);
        proxy
    }

    fn run(&mut self, listener: TcpListener) {
        let (target, connections) = (self.target.clone(), Arc::clone(&self.connections));
        self.running = Some(tokio::spawn(async move {
            // Ends with this task, and its connections with it.
            let mut passing = tokio::task::JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::Relaxed);
                let target = target.clone();
                passing.spawn(async move {
                    // A server that is not there ends the connection.
                    let _ = match target {
                        Target::Tcp(host, port) => match TcpStream::connect((host, port)).await {
                            Ok(mut server) => copy_bidirectional(&mut client, &mut server).await,
                            Err(error) => Err(error),
                        },
                        Target::Unix(path) => match UnixStream::connect(path).await {
                            Ok(mut server) => copy_bidirectional(&mut client, &mut server).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        }));
    }

    /// How many connections were made in all.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    pub async fn close(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.run(listener);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}
