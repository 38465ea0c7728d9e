//! Making found what was written.

use serde::Deserialize;
use serde_json::json;

use super::http::{Http, PATIENT};
use crate::Error;

#[derive(Deserialize)]
struct Refreshed {
    #[serde(rename = "_shards")]
    shards: Shards,
}

#[derive(Deserialize)]
struct Shards {
    failed: u32,
}

/// Of an index or alias. A copy that did not follow would be behind for as long as nothing is written, and may become the
/// one that answers: then it is to be done again.
pub(super) async fn refresh(http: &Http, name: &str) -> Result<(), Error> {
    let path = format!("{name}/_refresh");
    let refreshed: Refreshed = http.post(&path, &json!({}), PATIENT).await?.read()?;
    refreshed.shards.whole()
}

impl Shards {
    fn whole(&self) -> Result<(), Error> {
        if self.failed == 0 {
            return Ok(());
        }
        let failed = anyhow::anyhow!("{} copies of shards are not refreshed", self.failed);
        Err(Error::Unavailable(failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_failed_is_no_success_and_one_that_is_nowhere_is_none_to_wait_for() {
        let whole = |answer: &str| {
            let refreshed: Refreshed = serde_json::from_str(answer).expect("an answer");
            refreshed.shards.whole()
        };
        let unassigned = whole(r#"{"_shards":{"total":2,"successful":1,"failed":0}}"#);
        assert!(unassigned.is_ok(), "{unassigned:?}");
        let failed = whole(
            r#"{"_shards":{"total":2,"successful":1,"failed":1,"failures":[{"shard":0,"index":"i","status":"INTERNAL_SERVER_ERROR"}]}}"#,
        );
        assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
    }
}
