//! What is downloaded once: a folder in the user's cache, made complete under another name and
//! renamed, so that a run that was killed leaves nothing half. Two runs make it one after the other.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::config;

/// The folder of this name, made by `fill` where it is missing.
pub(crate) async fn folder(
    name: &str,
    fill: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let cache = config::cache();
    let place = cache.join(name);
    std::fs::create_dir_all(&cache)
        .with_context(|| format!("cannot create {}", cache.display()))?;
    let lock = cache.join(format!("{name}.lock"));
    let lock = tokio::task::spawn_blocking(move || -> std::io::Result<_> {
        let file = std::fs::File::create(lock)?;
        file.lock()?;
        Ok(file)
    });
    let _held = lock.await?.context("cannot lock the cache")?;
    if place.exists() {
        return Ok(place);
    }
    let unfinished = cache.join(format!("{name}.unfinished"));
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    std::fs::create_dir(&unfinished)?;
    fill(&unfinished).await?;
    std::fs::rename(&unfinished, &place)?;
    Ok(place)
}
