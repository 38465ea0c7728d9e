//! Files that survive a kill: written beside their place, synced, renamed over
//! it, and the folder synced, so that a reader sees the old or the new content
//! and never a half. It never leaves a secret readable by others, not even for
//! a moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Who may read a file: the mode it is created with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// 0600.
    Owner,
    /// 0644.
    Everyone,
}

/// Replaces `path` with `bytes`. When this returns, they are on the disk.
pub fn write(path: &Path, bytes: &[u8], readers: Readers) -> anyhow::Result<()> {
    replace(path, bytes, readers).with_context(|| format!("cannot write {}", path.display()))
}

fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    // Two writers never share a temporary name, so neither renames the other's half.
    let temporary = beside(path, &format!("{}", std::process::id()));
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everyone => 0o644,
    };
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder_of(path)
}

/// Makes a rename, a creation or a removal in the folder of `path` durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new-");
    name.push(suffix);
    path.with_file_name(name)
}

/// The content of `path`, or `None` where there is no such file.
pub fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_replaced_and_never_readable_by_others() {
        let folder =
            std::env::temp_dir().join(format!("veritrail-durable-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("secret");
        write(&path, b"one", Readers::Owner).unwrap();
        write(&path, b"two", Readers::Owner).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "no temporary file stays"
        );
        assert!(read(&folder.join("nothing")).unwrap().is_none());
        fs::remove_dir_all(&folder).unwrap();
    }
}
