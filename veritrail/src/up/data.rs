//! The data directory: one process at a time, and the few small files that make
//! an installation what it is. It never holds an entry; those are PostgreSQL's.
//!
//! ```text
//! DIR/lock              held while `up` runs; says by whom
//!    /secret            32 random bytes in hex: seals signing keys (0600)
//!    /origin            the installation's name, fixed at the first start
//!    /credentials.json  what the first start made (0600)
//!    /address           where the running `up` listens
//!    /index             what is searched, one folder a tenant; made anew when it is missing
//!    /objects           the files of export jobs
//!    /postgres          the cluster, or a link to it; postgres.init-* while it is made
//!    /postgres.log      what PostgreSQL says
//!    /socket            where PostgreSQL listens (0700)
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;

use postgres::durable::{self, Readers};

const DEFAULT_ORIGIN: &str = "veritrail.localhost";
const ORIGIN_BYTES: usize = 100;

/// A data directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// The lock is the open file's: it ends with the process, however that ends.
    lock: File,
}

impl DataDir {
    /// Creates the directory where it is missing, and takes its lock.
    ///
    /// # Errors
    /// Another process holds it (the message says which), or it cannot be made.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        // The account that PostgreSQL runs as has to pass through, not to list.
        let mode = if rustix::process::geteuid().is_root() {
            0o711
        } else {
            0o700
        };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .with_context(|| format!("cannot create the data directory {}", path.display()))?;
        let path = fs::canonicalize(path)
            .with_context(|| format!("cannot find the data directory {}", path.display()))?;
        let name = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)
            .with_context(|| format!("cannot open {}", name.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = if holder.is_empty() {
                    "another process"
                } else {
                    holder.trim()
                };
                bail!("{} is in use by {holder}", path.display());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", name.display()));
            }
        }
        let mut data = Self { path, lock };
        data.hold(&format!("veritrail up, process {}", std::process::id()))?;
        // What an earlier process said of its address is no longer true.
        data.forget("address")?;
        Ok(data)
    }

    /// Says in the lock who holds it.
    fn hold(&mut self, holder: &str) -> anyhow::Result<()> {
        self.lock.rewind()?;
        self.lock.set_len(0)?;
        self.lock
            .write_all(holder.as_bytes())
            .context("cannot write the lock")
    }

    /// Where a file of the directory is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn forget(&self, name: &str) -> anyhow::Result<()> {
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes the address known to whoever looks into the directory.
    pub(crate) fn publish_address(&mut self, address: &str) -> anyhow::Result<()> {
        self.hold(&format!(
            "veritrail up, process {}, at {address}",
            std::process::id()
        ))?;
        durable::write(
            &self.file("address"),
            format!("{address}\n").as_bytes(),
            Readers::Everyone,
        )
    }

    pub(crate) fn withdraw_address(&self) {
        let _ = self.forget("address");
    }

    /// The file of the installation's secret, made at the first start.
    pub(crate) fn secret(&self) -> anyhow::Result<PathBuf> {
        let path = self.file("secret");
        if durable::read(&path)?.is_none() {
            let (_, text) = auth_service::Secret::generate();
            durable::write(&path, text.expose_secret().as_bytes(), Readers::Owner)?;
        }
        Ok(path)
    }

    /// The installation's name: the first start's, for ever.
    ///
    /// # Errors
    /// `wanted` is not a name, or another one than at the first start.
    pub(crate) fn origin(&self, wanted: Option<&str>) -> anyhow::Result<String> {
        if let Some(wanted) = wanted.filter(|wanted| !is_origin(wanted)) {
            bail!("{wanted:?} is no origin: a name like audit.example.com, at most 100 characters");
        }
        let path = self.file("origin");
        let Some(kept) = durable::read(&path)? else {
            let origin = wanted.unwrap_or(DEFAULT_ORIGIN);
            durable::write(&path, format!("{origin}\n").as_bytes(), Readers::Everyone)?;
            return Ok(origin.to_owned());
        };
        let kept = String::from_utf8_lossy(&kept).trim().to_owned();
        match wanted {
            Some(wanted) if wanted != kept => bail!(
                "the origin of {} is {kept} and cannot become {wanted}: every chain's first hash contains it",
                self.path.display(),
            ),
            _ => Ok(kept),
        }
    }
}

/// `[a-z0-9.-]+(/[a-z0-9._-]+)*`, at most 100 bytes.
fn is_origin(text: &str) -> bool {
    let mut segments = text.split('/');
    let host = segments.next().unwrap_or_default();
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-".contains(&c);
    text.len() <= ORIGIN_BYTES
        && !host.is_empty()
        && host.bytes().all(plain)
        && segments.all(|path| !path.is_empty() && path.bytes().all(|c| plain(c) || c == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_schemaless_urls() {
        for good in ["veritrail.localhost", "audit.example.com", "a/b_c/d.e-f"] {
            assert!(is_origin(good), "{good}");
        }
        let long = "a".repeat(101);
        for bad in [
            "",
            "/",
            "a/",
            "a//b",
            "https://a",
            "A.example",
            "a_b",
            "a b",
            &long,
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn a_directory_has_one_holder_and_one_origin() {
        let path = std::env::temp_dir().join(format!("veritrail-data-{}", uuid::Uuid::now_v7()));
        let data = DataDir::open(&path).unwrap();
        let refused = DataDir::open(&path).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        assert_eq!(data.origin(None).unwrap(), "veritrail.localhost");
        assert_eq!(
            data.origin(Some("veritrail.localhost")).unwrap(),
            "veritrail.localhost"
        );
        assert!(
            data.origin(Some("other.example"))
                .unwrap_err()
                .to_string()
                .contains("other.example")
        );
        let secret = fs::read(data.secret().unwrap()).unwrap();
        assert_eq!(fs::read(data.secret().unwrap()).unwrap(), secret);
        drop(data);
        DataDir::open(&path).unwrap();
        fs::remove_dir_all(&path).unwrap();
    }
}
