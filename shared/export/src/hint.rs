//! The message that there is a job. It never says what to do: that stands in the job table.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Body of a hint, in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    pub tenant: Uuid,
    pub export: Uuid,
}

impl Hint {
    /// What is sent.
    pub fn body(self) -> String {
        format!(
            r#"{{"tenant":"{}","export":"{}"}}"#,
            self.tenant, self.export
        )
    }
}
