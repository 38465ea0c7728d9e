//! What others than the index do to an OpenSearch.

use opensearch::http::Method;
use opensearch::http::headers::HeaderMap;
use opensearch::http::transport::Transport;

/// Makes one index with this body; whether the server did.
pub(crate) async fn make(url: &url::Url, index: &str, body: &serde_json::Value) -> bool {
    is_done(url, Method::Put, index, body).await
}

/// Whether the server did it.
pub(crate) async fn is_done(
    url: &url::Url,
    method: Method,
    path: &str,
    body: &serde_json::Value,
) -> bool {
    let transport = Transport::single_node(url.as_str()).unwrap();
    let (none, body): (Option<&()>, _) = (None, Some(body.to_string()));
    let answer = transport
        .send(method, path, HeaderMap::new(), none, body, None)
        .await;
    answer.unwrap().status_code().is_success()
}

/// Deletes one index.
pub(crate) async fn delete(url: &url::Url, index: &str) {
    let transport = Transport::single_node(url.as_str()).unwrap();
    let (none, no_body): (Option<&()>, Option<&str>) = (None, None);
    let answer = transport
        .send(Method::Delete, index, HeaderMap::new(), none, no_body, None)
        .await;
    assert!(answer.unwrap().status_code().is_success(), "{index}");
}

/// What an operator asks for, who is not refused.
pub(crate) async fn operate(
    url: &url::Url,
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) {
    let transport = Transport::single_node(url.as_str()).unwrap();
    let (none, body): (Option<&()>, _) = (None, body.map(|body| body.to_string()));
    let answer = transport
        .send(method, path, HeaderMap::new(), none, body, None)
        .await
        .unwrap();
    assert!(answer.status_code().is_success(), "{path}: {answer:?}");
}

/// The type of the error that a request is refused with.
pub(crate) async fn refused(
    url: &url::Url,
    method: Method,
    path: &str,
    body: serde_json::Value,
) -> String {
    let transport = Transport::single_node(url.as_str()).unwrap();
    let (none, body): (Option<&()>, _) = (None, Some(body.to_string()));
    let answer = transport
        .send(method, path, HeaderMap::new(), none, body, None)
        .await
        .unwrap();
    let problem: serde_json::Value = answer.json().await.unwrap();
    problem["error"]["type"].as_str().unwrap().to_owned()
}
