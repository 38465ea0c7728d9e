//! The folder of one run, in memory where there is enough of it: an fsync costs nothing there, and
//! the servers keep their safe settings. It is removed at the end.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

const MEMORY: &str = "/dev/shm";
/// A container's default of 64 MiB is too small for a database.
const ENOUGH_MEMORY: u64 = 2 * 1024 * 1024 * 1024;

pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new folder. The servers' accounts pass through it and see nothing.
    pub(crate) fn create() -> anyhow::Result<Self> {
        let memory = rustix::fs::statvfs(MEMORY).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
        let parent = if memory >= ENOUGH_MEMORY {
            PathBuf::from(MEMORY)
        } else {
            std::env::temp_dir()
        };
        let name = format!("veritrail-servers-{}", uuid::Uuid::now_v7().simple());
        let path = parent.join(name);
        create(&path)?;
        Ok(Self(path))
    }

    /// A folder in it for one server.
    pub(crate) fn of(&self, server: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(server);
        create(&path)?;
        Ok(path)
    }

    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.0)
            .with_context(|| format!("cannot remove {}", self.0.display()))
    }
}

impl Drop for Folder {
    /// After an error. [`Folder::remove`] says what went wrong.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn create(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))?;
    Ok(())
}
