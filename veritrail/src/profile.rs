//! Logins that the user's configuration directory remembers, one file each
//! (0600). It never holds a password, and never lets two processes spend one
//! refresh token.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};
use url::Url;

use postgres::durable::{self, Readers};

/// A login. Tokens for a person, an API key for a service account; the demo's
/// profile has both, since its administrator reads and its service account appends.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) server: Url,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// The installation's name, where the login knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<Tokens>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    /// Unix seconds by this machine's clock.
    pub(crate) expires_at: u64,
    pub(crate) refresh_token: String,
}

/// Where a login is kept.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    name: String,
    folder: PathBuf,
}

impl Place {
    /// # Errors
    /// The name is not one, or the user has no configuration directory.
    pub(crate) fn named(name: &str) -> anyhow::Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            bail!("{name:?} is no profile name: letters, digits, - and _, at most 64");
        }
        let strategy = etcetera::choose_base_strategy().context("no home directory")?;
        let folder = strategy.config_dir().join("veritrail").join("profiles");
        Ok(Self {
            name: name.to_owned(),
            folder,
        })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    /// The login, or `None` where there is none.
    pub(crate) fn read(&self) -> anyhow::Result<Option<Profile>> {
        let path = self.file();
        let Some(text) = durable::read(&path)? else {
            return Ok(None);
        };
        let profile = serde_json::from_slice(&text);
        Ok(Some(profile.with_context(|| {
            format!("{} is not a profile", path.display())
        })?))
    }

    /// Keeps the login. Whoever holds [`Place::lock`] is not overwritten by another.
    pub(crate) fn write(&self, profile: &Profile) -> anyhow::Result<()> {
        self.make_folder()?;
        let mut text = serde_json::to_vec_pretty(profile)?;
        text.push(b'\n');
        durable::write(&self.file(), &text, Readers::Owner)
    }

    /// Waits until no other process changes this login. The lock ends with the file.
    pub(crate) async fn lock(&self) -> anyhow::Result<File> {
        self.make_folder()?;
        let path = self.folder.join(format!("{}.lock", self.name));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        tokio::task::spawn_blocking(move || file.lock().map(|()| file))
            .await?
            .with_context(|| format!("cannot lock {}", path.display()))
    }

    fn make_folder(&self) -> anyhow::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .with_context(|| format!("cannot create {}", self.folder.display()))
    }
}
