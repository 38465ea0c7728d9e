//! Walking the folders in the order of the keys.

use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::place::{self, FOLDER, Root};
use crate::{Error, Listed, key};

struct Walk<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    limit: usize,
    listed: Vec<Listed>,
}

/// Holds the names of the folders on the way, not those of the whole store.
pub(super) fn list(
    root: &Root,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Listed>, Error> {
    let mut walk = Walk {
        prefix,
        after,
        limit,
        listed: Vec::new(),
    };
    walk.folder(&root.open()?, "")?;
    Ok(walk.listed)
}

impl Walk<'_> {
    /// `path` is empty or ends with a slash. No deeper than a key is long.
    fn folder(&mut self, folder: &OwnedFd, path: &str) -> Result<(), Error> {
        for name in names(folder)? {
            if self.listed.len() >= self.limit {
                break;
            }
            let key = format!("{path}{name}");
            let Some(name) = name.strip_suffix('/') else {
                if key.starts_with(self.prefix)
                    && self.after.is_none_or(|after| key.as_str() > after)
                    && key::check(&key).is_ok()
                    // Deleted since.
                    && let Some(file) = place::file(folder, &name)?
                {
                    let (size, modified) = (file.size, file.modified);
                    self.listed.push(Listed {
                        key,
                        size,
                        modified,
                    });
                }
                continue;
            };
            if self.leads_to_some(&key) {
                let flags = FOLDER | OFlags::NOFOLLOW;
                match fs::openat(folder, name, flags, Mode::empty()) {
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    opened => self.folder(&opened?, &key)?,
                }
            }
        }
        Ok(())
    }

    fn leads_to_some(&self, path: &str) -> bool {
        let wanted = path.starts_with(self.prefix) || self.prefix.starts_with(path);
        // All that is below has been listed before.
        let passed = |after: &str| after >= path && !after.starts_with(path);
        wanted && !self.after.is_some_and(passed)
    }
}

/// What is in a folder, those of folders with a slash at the end: so they sort as their keys do.
fn names(folder: &OwnedFd) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for item in Dir::read_from(folder)? {
        let item = item?;
        let Some(name) = item
            .file_name()
            .to_str()
            .ok()
            .filter(|name| key::is_segment(name))
        else {
            continue;
        };
        let kind = match item.file_type() {
            FileType::Unknown => match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                stat => FileType::from_raw_mode(stat?.st_mode),
            },
            kind => kind,
        };
        match kind {
            FileType::RegularFile => names.push(name.to_owned()),
            FileType::Directory => names.push(format!("{name}/")),
            _ => {}
        }
    }
    names.sort_unstable();
    Ok(names)
}
