//! Where indices lie: `ROOT/TENANT/NUMBER/`, and two small files `current` and `next` that name a
//! number each. A file is written beside and renamed, so that a crash leaves the old one or the new.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tantivy::Directory;
use tantivy::directory::MmapDirectory;
use uuid::Uuid;

use super::boot::Boot;
use super::files::Unsynced;

/// Everything of the embedded index.
pub(super) struct Root {
    path: PathBuf,
    boot: Boot,
}

impl Root {
    /// Readable for its owner alone: words of personal parts are in it. Empty when the machine went down since files
    /// were written that nobody had flushed.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        private().recursive(true).create(&path)?;
        let boot = Boot::of(&path)?;
        let root = Self { path, boot };
        if root.boot.lost {
            tracing::warn!(
                "the machine went down while the search index was in use: it is made anew"
            );
            root.forget()?;
        }
        root.boot.mark()?;
        Ok(root)
    }

    fn forget(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                TenantDirectory(entry.path()).remove()?;
            }
        }
        sync(&self.path)
    }

    pub(super) fn tenant(&self, tenant: Uuid) -> TenantDirectory {
        TenantDirectory(self.path.join(tenant.simple().to_string()))
    }

    /// The files of the index in that directory.
    pub(super) fn files(&self, path: &Path) -> tantivy::Result<Box<dyn Directory>> {
        Ok(if self.boot.is_marked() {
            Box::new(Unsynced::open(path)?)
        } else {
            Box::new(MmapDirectory::open(path)?)
        })
    }

    pub(super) fn check(&self) -> io::Result<()> {
        fs::read_dir(&self.path).map(drop)
    }

    /// Nothing is written after it.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.boot.flush()
    }
}

pub(super) struct TenantDirectory(PathBuf);

/// What one of a tenant's indices is named as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Current,
    Next,
}

impl Name {
    pub(super) const ALL: [Self; 2] = [Self::Current, Self::Next];

    fn file(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
        }
    }
}

impl TenantDirectory {
    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.0.join(number.to_string())
    }

    /// The number that a name stands for.
    pub(super) fn number(&self, name: Name) -> io::Result<Option<u64>> {
        match fs::read_to_string(self.0.join(name.file())) {
            Ok(text) => text
                .parse()
                .map(Some)
                .map_err(|_| io::Error::new(ErrorKind::InvalidData, "not the number of an index")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An empty directory with a number that none has had: what is open of an index that somebody
    /// removed by hand is not taken for it.
    pub(super) fn fresh(&self) -> io::Result<u64> {
        private().recursive(true).create(&self.0)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
        let highest = self.numbers()?.into_iter().max().unwrap_or(0);
        let number = now.max(highest + 1);
        private().create(self.path(number))?;
        sync(&self.0)?;
        Ok(number)
    }

    pub(super) fn set(&self, name: Name, number: u64) -> io::Result<()> {
        let beside = self.0.join("naming");
        fs::write(&beside, number.to_string())?;
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, self.0.join(name.file()))?;
        sync(&self.0)
    }

    /// `next` becomes `current`.
    pub(super) fn switch(&self) -> io::Result<()> {
        let (next, current) = (Name::Next.file(), Name::Current.file());
        fs::rename(self.0.join(next), self.0.join(current))?;
        sync(&self.0)
    }

    /// Removes every index that has no name: what a crash or a rebuild left behind.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let named = [self.number(Name::Current)?, self.number(Name::Next)?];
        for number in self.numbers()? {
            if !named.contains(&Some(number)) {
                fs::remove_dir_all(self.path(number))?;
            }
        }
        Ok(())
    }

    /// Removes the names first: a crash in between leaves nothing that is taken for an index.
    pub(super) fn remove(&self) -> io::Result<()> {
        for name in Name::ALL {
            absent(fs::remove_file(self.0.join(name.file())))?;
        }
        absent(fs::remove_dir_all(&self.0))
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        Ok(numbers)
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
