//! What an OpenSearch says of all its indices.

use serde::Deserialize;

use super::http::{Http, QUICK};
use crate::Error;

/// Something of an index is nowhere: it cannot be asked, while all others can.
pub(super) const RED: &str = "red";

#[derive(Deserialize)]
struct Health {
    status: String,
}

pub(super) async fn status(http: &Http) -> Result<String, Error> {
    let answer = http.get("_cluster/health?filter_path=status", QUICK);
    let health: Health = answer.await?.read()?;
    Ok(health.status)
}
