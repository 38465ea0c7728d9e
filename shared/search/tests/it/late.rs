//! A request that the server does when its sender is long gone, and others have done their work meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opensearch::http::Method;
use search::{Error, Placement, Search, Which};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

use crate::entries::small;
use crate::opensearch::is_done;
use crate::world::{Asked, Kind, World, opensearch_url};

const START: i64 = 1_700_000_000_000_000;
const LEADS: &[u8] = b"POST /_aliases ";

/// In front of the server. Takes one request that leads aliases for itself; its sender is not answered.
struct Gate {
    url: Url,
    taken: mpsc::UnboundedReceiver<Value>,
    serving: JoinHandle<()>,
}

impl Gate {
    /// So many that lead aliases go through before.
    async fn after(before: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let before = Arc::new(AtomicUsize::new(before));
        let (take, taken) = mpsc::unbounded_channel();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, Arc::clone(&before), take.clone()));
            }
        });
        Self {
            url: url.parse().unwrap(),
            taken,
            serving,
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(client: TcpStream, before: Arc<AtomicUsize>, take: mpsc::UnboundedSender<Value>) {
    let target = opensearch_url();
    let (host, port) = (target.host_str().unwrap(), target.port_or_known_default());
    let server = TcpStream::connect((host, port.unwrap())).await.unwrap();
    let (mut asks, mut is_told) = client.into_split();
    let (mut answers, mut is_asked) = server.into_split();
    let telling = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut is_told).await });
    let mut request = Vec::new();
    while asks
        .read_buf(&mut request)
        .await
        .is_ok_and(|length| length > 0)
    {
        if request.starts_with(LEADS) {
            let Some(body) = body(&request) else { continue };
            if before.fetch_sub(1, Ordering::SeqCst) == 0 {
                take.send(body).unwrap();
                telling.abort();
                return;
            }
        }
        is_asked.write_all(&request).await.unwrap();
        request.clear();
    }
}

/// Of a request that is there as a whole.
fn body(request: &[u8]) -> Option<Value> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n")?;
    serde_json::from_slice(&request[end + 4..]).ok()
}

async fn is_whole(world: &World, tenant: Uuid) {
    world.search.refresh(tenant).await.unwrap();
    let found = Asked::all("", &["default"]).seqs(world, tenant).await;
    assert_eq!(found, [0, 1, 2, 3]);
}

/// The first share of a tenant in an index that others use as well, when somebody has built another one.
#[tokio::test]
async fn a_first_share_takes_the_place_of_no_other() {
    let documents: Vec<_> = (0..4).map(|seq| small("default", seq, START)).collect();
    for before in [0, 1] {
        let world = World::open(Kind::Pooled).await;
        let tenant = world.tenant_without_index();
        let mut gate = Gate::after(before).await;
        let mut settings = world.settings.clone();
        settings.url = gate.url.clone();
        let slow = search::open(settings).await.unwrap();
        let created = slow.create(tenant, Placement::Pooled).await;
        assert!(matches!(created, Err(Error::Unavailable(_))), "{created:?}");
        let late = gate.taken.recv().await.unwrap();

        let next = world.begin(tenant).await;
        let written = world.search.write(tenant, Which::Next(next), &documents);
        assert_eq!(written.await.unwrap(), []);
        world.search.finish_rebuild(tenant, next).await.unwrap();
        // The token may be made late; the alias is not led elsewhere any more.
        let done = is_done(&world.settings.url, Method::Post, "_aliases", &late).await;
        assert_eq!(done, before == 0);
        is_whole(&world, tenant).await;
        slow.create(tenant, Placement::Pooled).await.unwrap();
        is_whole(&world, tenant).await;
        world.end().await;
    }
}

#[tokio::test]
async fn many_make_the_same_first_share_at_once() {
    let documents: Vec<_> = (0..4).map(|seq| small("default", seq, START)).collect();
    let world = World::open(Kind::Pooled).await;
    let tenant = world.tenant_without_index();
    let mut making = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let another: Arc<dyn Search> = search::open(world.settings.clone()).await.unwrap();
        making.spawn(async move { another.create(tenant, Placement::Pooled).await });
    }
    for made in making.join_all().await {
        made.unwrap();
    }
    world.write(tenant, &documents).await;
    is_whole(&world, tenant).await;
    world.end().await;
}
