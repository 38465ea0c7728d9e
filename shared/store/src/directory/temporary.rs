//! Files that are being written: in a folder of their own, whose name no key can have, on the same file system
//! as the objects. A crash leaves them there for the sweep.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use uuid::Uuid;

use super::place::{self, Root};
use crate::Error;

const FOLDER: &str = ".uploads";

/// Removed when dropped, unless it became an object.
pub(super) struct Temporary {
    folder: OwnedFd,
    name: String,
    removed: bool,
}

impl Temporary {
    pub(super) fn create(root: &Root) -> Result<(Self, File), Error> {
        let folder = place::own_folder(&root.open()?, FOLDER)?;
        let name = Uuid::new_v4().simple().to_string();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = fs::openat(&folder, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let removed = false;
        Ok((
            Self {
                folder,
                name,
                removed,
            },
            file.into(),
        ))
    }

    /// Becomes an object that was not there; `false` when it was. A link refuses what a rename would replace.
    pub(super) fn create_as(self, root: &Root, key: &str, file: &File) -> Result<bool, Error> {
        file.sync_all()?;
        let created = root.make(key, |place| {
            let nothing = AtFlags::empty();
            match fs::linkat(
                &self.folder,
                &self.name,
                place.folder(),
                place.name(),
                nothing,
            ) {
                Err(Errno::EXIST) => {
                    let about =
                        fs::statat(place.folder(), place.name(), AtFlags::SYMLINK_NOFOLLOW)?;
                    match fs::FileType::from_raw_mode(about.st_mode) {
                        fs::FileType::Directory => Err(Errno::ISDIR),
                        _ => Ok(false),
                    }
                }
                linked => linked.map(|()| true),
            }
        });
        created.map_err(|error| self.explain(error))
    }

    /// Becomes an object, in the place of what was there. Dying before the folder is synced may leave either.
    pub(super) fn replace(mut self, root: &Root, key: &str, file: &File) -> Result<(), Error> {
        file.sync_all()?;
        let replaced = root.make(key, |place| {
            fs::renameat(&self.folder, &self.name, place.folder(), place.name())
        });
        replaced.map_err(|error| self.explain(error))?;
        self.removed = true;
        Ok(())
    }

    /// The folder may have been missing, or this.
    fn explain(&self, error: Error) -> Error {
        match place::file(&self.folder, &self.name) {
            Ok(None) => Error::Refused("the upload is no longer there: it was swept".into()),
            _ => error,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.removed {
            // What stays is swept.
            let _ = fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// A file that is still written to is as young as its last write.
pub(super) fn sweep(root: &Root, older_than: Duration) -> Result<u64, Error> {
    let folder = place::own_folder(&root.open()?, FOLDER)?;
    let limit = SystemTime::now()
        .checked_sub(older_than)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let mut swept = 0;
    for item in Dir::read_from(&folder)? {
        let item = item?;
        let Ok(name) = item.file_name().to_str() else {
            continue;
        };
        let old = place::file(&folder, name)?.is_some_and(|file| file.modified < limit);
        if old {
            match fs::unlinkat(&folder, name, AtFlags::empty()) {
                Ok(()) => swept += 1,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(swept)
}
