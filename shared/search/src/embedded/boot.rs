//! Whether files that nobody flushed to the disk can still be what was written: they are, as long as the machine was
//! not started again. A file beside the indices, flushed before they are written to, names the start of the machine; it
//! goes when everything was flushed at the end. Where a start has no name, files are flushed one by one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Another one each time that Linux starts (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The file beside the indices.
const MARK: &str = "unsynced";

/// What was found, and what holds from now on.
pub(super) struct Boot {
    mark: PathBuf,
    /// Of this start of the machine.
    id: Option<String>,
    /// Files may be missing.
    pub(super) lost: bool,
}

impl Boot {
    /// Looks at a directory of indices. Changes nothing.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let mark = directory.join(MARK);
        let id = fs::read_to_string(BOOT_ID).ok();
        let lost = match fs::read_to_string(&mark) {
            Ok(marked) => id.as_ref() != Some(&marked),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        Ok(Self { mark, id, lost })
    }

    /// Whether files need not be flushed, once this start of the machine is marked.
    pub(super) fn is_marked(&self) -> bool {
        self.id.is_some()
    }

    /// To be called before anything is written, and after what may be lost was removed.
    pub(super) fn mark(&self) -> io::Result<()> {
        match &self.id {
            Some(id) => {
                // A kill half-way leaves the mark that was there, which may be as good.
                let beside = self.mark.with_extension("new");
                let mut file = File::create(&beside)?;
                file.write_all(id.as_bytes())?;
                file.sync_all()?;
                fs::rename(&beside, &self.mark)?;
            }
            None => remove(&self.mark)?,
        }
        self.sync_directory()
    }

    /// Flushes what was written, all of it: to be called after the last write.
    pub(super) fn flush(&self) -> io::Result<()> {
        if self.id.is_none() {
            return Ok(());
        }
        flush_all(&File::open(&self.mark)?)?;
        remove(&self.mark)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        let directory = self.mark.parent().unwrap_or(&self.mark);
        File::open(directory)?.sync_all()
    }
}

/// Everything of the file system that the file is in.
#[cfg(target_os = "linux")]
fn flush_all(file: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

/// Elsewhere no start has a name.
#[cfg(not(target_os = "linux"))]
fn flush_all(_: &File) -> io::Result<()> {
    Ok(())
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
