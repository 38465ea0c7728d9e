//! From a key to a folder that is open and a name in it. Folders are opened one by one, each relative to the
//! one before and none through a symbolic link, so nothing that somebody moves meanwhile leads elsewhere.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::Error;

pub(super) const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
const OWNER_ONLY: Mode = Mode::RWXU;
/// Somebody removes empty folders while this makes them; each time again one gets further.
const ATTEMPTS: u32 = 8;

pub(super) struct Root {
    path: PathBuf,
}

/// Where an object is or would be.
pub(super) struct Place {
    /// From the root on, each with the name that leads to the next.
    above: Vec<(OwnedFd, String)>,
    folder: OwnedFd,
    name: String,
}

/// What a regular file says of itself.
pub(super) struct File {
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

impl Root {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// A root that is gone is a disk that is not mounted: never made anew.
    pub(super) fn open(&self) -> Result<OwnedFd, Error> {
        fs::openat(CWD, &self.path, FOLDER, Mode::empty()).map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR => Error::Unavailable(error.into()),
            error => error.into(),
        })
    }

    /// `None` when a folder on the way is not there, or is no folder.
    pub(super) fn find(&self, key: &str) -> Result<Option<Place>, Error> {
        match self.walk(key, false) {
            Err(Step::Missing | Step::Blocked) => Ok(None),
            Err(Step::Failed(error)) => Err(error),
            Ok(place) => Ok(Some(place)),
        }
    }

    /// Makes the folders on the way and hands the place to `settle`, again where one was removed meanwhile.
    pub(super) fn make<T>(
        &self,
        key: &str,
        mut settle: impl FnMut(&Place) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        for _ in 0..ATTEMPTS {
            let place = match self.walk(key, true) {
                Ok(place) => place,
                Err(Step::Missing) => continue,
                Err(Step::Blocked) => return Err(blocked()),
                Err(Step::Failed(error)) => return Err(error),
            };
            match settle(&place) {
                Ok(settled) => {
                    place.sync()?;
                    return Ok(settled);
                }
                Err(Errno::NOENT) => place.remove_empty_folders(),
                Err(error) => {
                    place.remove_empty_folders();
                    return Err(match error {
                        Errno::ISDIR | Errno::NOTDIR | Errno::NOTEMPTY => blocked(),
                        error => error.into(),
                    });
                }
            }
        }
        Err(Error::Unavailable(
            "folders are removed as fast as they are made".into(),
        ))
    }

    fn walk(&self, key: &str, make: bool) -> Result<Place, Step> {
        let mut folder = self.open().map_err(Step::Failed)?;
        let mut above = Vec::new();
        let mut segments = key.split('/').peekable();
        loop {
            let segment = segments.next().unwrap_or_default().to_owned();
            if segments.peek().is_none() {
                let name = segment;
                return Ok(Place {
                    above,
                    folder,
                    name,
                });
            }
            let next = open_folder(&folder, &segment, make)?;
            above.push((std::mem::replace(&mut folder, next), segment));
        }
    }
}

enum Step {
    Missing,
    /// By a file or a symbolic link.
    Blocked,
    Failed(Error),
}

impl From<Errno> for Step {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::Missing,
            Errno::NOTDIR | Errno::LOOP => Self::Blocked,
            error => Self::Failed(error.into()),
        }
    }
}

/// For a folder of objects, and for that of temporary files.
pub(super) fn own_folder(root: &OwnedFd, name: &str) -> Result<OwnedFd, Error> {
    open_folder(root, name, true).map_err(|step| match step {
        Step::Failed(error) => error,
        Step::Missing | Step::Blocked => blocked(),
    })
}

fn open_folder(above: &OwnedFd, name: &str, make: bool) -> Result<OwnedFd, Step> {
    let open = || fs::openat(above, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
    match open() {
        Err(Errno::NOENT) if make => match fs::mkdirat(above, name, OWNER_ONLY) {
            Ok(()) | Err(Errno::EXIST) => Ok(open()?),
            Err(error) => Err(error.into()),
        },
        opened => Ok(opened?),
    }
}

fn blocked() -> Error {
    Error::Refused("a key cannot be an object and the folder of others".into())
}

impl Place {
    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn file(&self) -> Result<Option<File>, Error> {
        file(&self.folder, &self.name)
    }

    /// What is in the folder, and the folders on the way: another writer may have made one just now.
    fn sync(&self) -> Result<(), Errno> {
        fs::fsync(&self.folder)?;
        self.above
            .iter()
            .rev()
            .try_for_each(|(folder, _)| fs::fsync(folder))
    }

    /// Upwards until one is not empty. Whoever just made one to put something in makes it again.
    pub(super) fn remove_empty_folders(&self) {
        for (folder, name) in self.above.iter().rev() {
            if fs::unlinkat(folder, name, AtFlags::REMOVEDIR).is_err() {
                break;
            }
        }
    }
}

/// `None` for what is not there and for what is no regular file.
pub(super) fn file(folder: impl AsFd, name: &str) -> Result<Option<File>, Error> {
    let stat = match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        stat => stat?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    Ok(Some(File {
        size: stat.st_size.try_into().unwrap_or_default(),
        modified: modified(&stat),
    }))
}

fn modified(stat: &Stat) -> SystemTime {
    let seconds = stat.st_mtime.try_into().unwrap_or_default();
    let nanoseconds = stat.st_mtime_nsec.try_into().unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}
