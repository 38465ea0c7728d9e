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
    successful: u32,
    failed: u32,
}

/// Of an index or alias. A copy that did not follow would be behind for as long as nothing is written, and may become the
/// one that answers: then it is to be done again. A primary shard that is nowhere is not counted as one that failed.
pub(super) async fn refresh(http: &Http, name: &str) -> Result<(), Error> {
    let path = format!("{name}/_refresh");
    let refreshed: Refreshed = http.post(&path, &json!({}), PATIENT).await?.read()?;
    refreshed.shards.whole()
}

impl Shards {
    fn whole(&self) -> Result<(), Error> {
        if self.failed == 0 && self.successful > 0 {
            return Ok(());
        }
        let (done, failed) = (self.successful, self.failed);
        let part = anyhow::anyhow!("{done} copies of shards are refreshed and {failed} are not");
        Err(Error::Unavailable(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_copies_that_are_somewhere_are_refreshed() {
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
        let nowhere = whole(r#"{"_shards":{"total":2,"successful":0,"failed":0}}"#);
        assert!(matches!(nowhere, Err(Error::Unavailable(_))), "{nowhere:?}");
    }
}
