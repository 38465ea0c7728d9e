//! The OpenSearch of a run, asked as directly as can be: over one connection, with requests that were
//! rendered before. Touches nothing but what has the run's own prefix.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use search::wire::Request;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::http::Connection;

/// For merges to end after much was written.
const SETTLED_WITHIN: Duration = Duration::from_mins(5);
/// Names in one request.
const NAMES: usize = 40;

pub(crate) struct OpenSearch {
    address: SocketAddr,
    connection: Connection,
    /// Of the program, when it runs on this machine.
    pub(crate) pid: Option<u32>,
    pub(crate) version: String,
}

/// Memory of the one node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heap {
    pub(crate) used: u64,
    pub(crate) most: u64,
}

impl OpenSearch {
    pub(crate) async fn open(url: &Url) -> Result<Self> {
        ensure!(
            url.scheme() == "http" && url.path() == "/",
            "OPENSEARCH_URL: only http://HOST:PORT can be measured"
        );
        let host = url.host_str().context("OPENSEARCH_URL has no host")?;
        let port = url.port_or_known_default().unwrap_or(9200);
        let address = (host, port).to_socket_addrs()?.next();
        let address = address.context("OPENSEARCH_URL: no such host")?;
        let mut opened = Self {
            address,
            connection: Connection::open(address).await.context("OPENSEARCH_URL")?,
            pid: None,
            version: String::new(),
        };
        let about = opened.get("").await?;
        let version = about["version"]["number"].as_str();
        version
            .context("OPENSEARCH_URL: no OpenSearch")?
            .clone_into(&mut opened.version);
        opened.pid = opened.process().await?;
        Ok(opened)
    }

    /// The process of the one node: a container's has another number here, if any.
    async fn process(&mut self) -> Result<Option<u32>> {
        let nodes = self
            .get("_nodes/process?filter_path=nodes.*.process.id")
            .await?;
        let nodes = nodes["nodes"].as_object().context("no nodes")?;
        ensure!(
            nodes.len() == 1,
            "OPENSEARCH_URL: {} nodes, not one",
            nodes.len()
        );
        let id = nodes
            .values()
            .next()
            .and_then(|node| node["process"]["id"].as_u64());
        let pid = id.and_then(|id| u32::try_from(id).ok());
        let is_java = |pid: &u32| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == "java")
        };
        Ok(pid.filter(is_java))
    }

    /// A request as it goes over the connection.
    pub(crate) fn rendered(&self, request: &Request) -> Vec<u8> {
        let content = if request.path.contains("/_bulk") {
            "application/x-ndjson"
        } else {
            "application/json"
        };
        let Request { method, path, body } = request;
        let (host, length) = (self.address, body.len());
        format!(
            "{method} /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {content}\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends what was rendered; an error unless the answer is a success.
    pub(crate) async fn exchange(&mut self, rendered: &[u8]) -> Result<&[u8]> {
        let answer = self.connection.send(rendered).await.context("OpenSearch")?;
        if !(200..300).contains(&answer.status) {
            let text = String::from_utf8_lossy(answer.body);
            let text: String = text.chars().take(600).collect();
            bail!("OpenSearch answered {}: {text}", answer.status);
        }
        Ok(answer.body)
    }

    pub(crate) async fn send(&mut self, request: &Request) -> Result<Value> {
        let rendered = self.rendered(request);
        let answer = self.exchange(&rendered).await?;
        Ok(serde_json::from_slice(answer)?)
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Value> {
        self.request("GET", path, String::new()).await
    }

    async fn request(&mut self, method: &'static str, path: &str, body: String) -> Result<Value> {
        let path = path.to_owned();
        self.send(&Request { method, path, body }).await
    }

    /// What was written is found from now on.
    pub(crate) async fn refresh(&mut self, alias: &str) -> Result<()> {
        let path = format!("{alias}/_refresh");
        self.request("POST", &path, String::new()).await.map(drop)
    }

    /// Documents of one partition.
    pub(crate) async fn count(&mut self, alias: &str, partition: &str) -> Result<u64> {
        let body = json!({"query": {"term": {"partition": partition}}}).to_string();
        let counted = self
            .request("POST", &format!("{alias}/_count"), body)
            .await?;
        counted["count"].as_u64().context("no count")
    }

    /// Waits until nothing is being merged, so that one measurement leaves nothing to the next.
    pub(crate) async fn settled(&mut self) -> Result<()> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        loop {
            let path = "_nodes/stats/indices/merge?filter_path=nodes.*.indices.merges.current";
            let merges = self.get(path).await?;
            let nodes = merges["nodes"].as_object().context("no nodes")?;
            let mut merging = nodes
                .values()
                .map(|node| &node["indices"]["merges"]["current"]);
            if merging.all(|merges| merges == 0) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "OpenSearch does not stop merging"
            );
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn heap(&mut self) -> Result<Heap> {
        let stats = self
            .get("_nodes/stats/jvm?filter_path=nodes.*.jvm.mem")
            .await?;
        let node = stats["nodes"]
            .as_object()
            .and_then(|nodes| nodes.values().next());
        let memory = node.context("no node")?["jvm"]["mem"].clone();
        let bytes = |name: &str| memory[name].as_u64().with_context(|| format!("no {name}"));
        Ok(Heap {
            used: bytes("heap_used_in_bytes")?,
            most: bytes("heap_max_in_bytes")?,
        })
    }

    /// How many shards the node takes; `None`: what it does by itself.
    pub(crate) async fn most_shards(&mut self, most: Option<u64>) -> Result<()> {
        let body = json!({"transient": {"cluster.max_shards_per_node": most}}).to_string();
        self.request("PUT", "_cluster/settings", body)
            .await
            .map(drop)
    }

    /// Removes all indices of a prefix.
    pub(crate) async fn remove(&mut self, prefix: &str) -> Result<()> {
        let path = format!("_cat/indices/{prefix}-*?format=json&h=index");
        let indices = self.get(&path).await?;
        let names = indices.as_array().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(|one| one["index"].as_str()).collect();
        for some in names.chunks(NAMES) {
            self.request("DELETE", &some.join(","), String::new())
                .await?;
        }
        Ok(())
    }
}
