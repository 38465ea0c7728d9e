//! What an operator does to an OpenSearch by hand.

use opensearch::http::Method;
use opensearch::http::headers::HeaderMap;
use opensearch::http::transport::Transport;

/// Deletes one index.
pub(crate) async fn delete(url: &url::Url, index: &str) {
    let transport = Transport::single_node(url.as_str()).unwrap();
    let (none, no_body): (Option<&()>, Option<&str>) = (None, None);
    let answer = transport
        .send(Method::Delete, index, HeaderMap::new(), none, no_body, None)
        .await;
    assert!(answer.unwrap().status_code().is_success(), "{index}");
}
