//! What is asked of the environment; nothing else here reads it.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where the shell would look for programs.
pub(crate) fn search_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

/// The user's own folder for sockets, where the system has one.
pub(crate) fn runtime_folder() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
