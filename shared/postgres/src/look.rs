//! What `up` would find, for whoever asks without starting anything.

use std::path::Path;

use crate::{binaries, cluster};

/// The PostgreSQL that `up` would run on this data directory, in words.
///
/// # Errors
/// There is none that fits.
pub async fn would_run(data: &Path, named: Option<&Path>) -> anyhow::Result<String> {
    let existing = cluster::version(data)?;
    let found = binaries::find(named).await?;
    match binaries::choose(&found, existing)? {
        Some(chosen) => {
            let made =
                existing.map_or_else(String::new, |major| format!("; the cluster is of {major}"));
            Ok(format!(
                "{} in {}{made}",
                chosen.version,
                chosen.folder.display()
            ))
        }
        None => anyhow::bail!("not installed: `veritrail up` installs it, or says what to install"),
    }
}
