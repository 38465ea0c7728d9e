//! The first credentials of an installation, and the file they are kept in.
//! The file is durable before anything it names exists, so a kill at any moment leaves nobody locked out; it never overwrites a file that is there.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::secret::random;

/// What `credentials.json` holds. Passwords are 24 random bytes, API keys `vtk_` and 32.
#[derive(Clone, Deserialize, Serialize)]
pub struct Credentials {
    pub operator: Login,
    /// Code of the first tenant.
    pub tenant: String,
    /// An admin of that tenant.
    pub admin: Login,
    pub service: ServiceAccount,
    pub database_url: String,
    /// The installation's name, which every chain's genesis names.
    pub origin: String,
}

#[derive(Clone, Deserialize, Serialize)]
pub struct Login {
    pub username: String,
    pub password: String,
}

/// A service account of the first tenant with the role `writer` and every scope.
#[derive(Clone, Deserialize, Serialize)]
pub struct ServiceAccount {
    pub client_id: Uuid,
    pub client_secret: String,
    pub api_key: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("tenant", &self.tenant)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// New secrets for operator `operator`, tenant `demo`, its admin `admin` and its service account.
    pub fn generate(database_url: &str, origin: &str) -> Credentials {
        let login = |username: &str| Login {
            username: username.to_owned(),
            password: URL_SAFE_NO_PAD.encode(random::<24>()),
        };
        Credentials {
            operator: login("operator"),
            tenant: "demo".to_owned(),
            admin: login("admin"),
            service: ServiceAccount {
                client_id: Uuid::now_v7(),
                client_secret: api_key(),
                api_key: api_key(),
            },
            database_url: database_url.to_owned(),
            origin: origin.to_owned(),
        }
    }

    /// The credentials in the file, `None` when there is no file.
    pub fn read(path: &Path) -> anyhow::Result<Option<Credentials>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        serde_json::from_slice(&text)
            .map(Some)
            .with_context(|| format!("{} is not a credentials file", path.display()))
    }

    /// Writes the file with mode 0600 and returns when it survives a power cut: temporary file, fsync, link to the name, fsync of the directory.
    /// Fails when the name is taken: somebody's credentials may be in there.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let temporary = parent.join(format!(".credentials-{}", Uuid::now_v7()));
        let written = self.write_new(&temporary).and_then(|()| {
            fs::hard_link(&temporary, path)?;
            File::open(parent)?.sync_all()
        });
        let removed = fs::remove_file(&temporary);
        written.with_context(|| format!("cannot write {}", path.display()))?;
        removed.with_context(|| format!("cannot remove {}", temporary.display()))
    }

    fn write_new(&self, temporary: &Path) -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temporary)?;
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()
    }
}

/// `vtk_` and 32 random bytes as base64url.
pub(crate) fn api_key() -> String {
    format!("vtk_{}", URL_SAFE_NO_PAD.encode(random::<32>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn written_once_private_and_read_back() {
        let folder = std::env::temp_dir().join(format!("credentials-{}", Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("credentials.json");
        assert!(Credentials::read(&path).unwrap().is_none());
        let first = Credentials::generate("postgres://localhost/v", "audit.example.com");
        first.write(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(first.write(&path).is_err());
        let read = Credentials::read(&path).unwrap().unwrap();
        assert_eq!(read.admin.password, first.admin.password);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::write(&path, "{").unwrap();
        assert!(Credentials::read(&path).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn nothing_secret_is_printed() {
        let credentials = Credentials::generate("postgres://localhost/v", "audit.example.com");
        let printed = format!("{credentials:?}");
        assert!(!printed.contains(&credentials.operator.password));
        assert!(!printed.contains(&credentials.service.api_key));
    }
}
