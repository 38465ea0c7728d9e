//! Where the PostgreSQL programs are. It looks, runs `--version`, and never
//! installs anything.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// The major versions that the services run on.
pub(crate) const SUPPORTED: std::ops::RangeInclusive<u32> = 15..=18;

/// Folders below which each version has one of its own: the folder, and the
/// path from a child of it to the programs.
const FOLDERS: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"), // Debian, Ubuntu, Gentoo
    ("/usr", "bin"),                // RPMs of the PostgreSQL project: /usr/pgsql-17/bin
    ("/usr/libexec", ""),           // Alpine: /usr/libexec/postgresql17
    ("/opt/homebrew/opt", "bin"),   // Homebrew on Apple silicon: postgresql@17
    ("/usr/local/opt", "bin"),      // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
    ("/usr/local", "bin"), // built from source: /usr/local/pgsql/bin
];

/// One installation: the folder with `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binaries {
    pub(crate) major: u32,
    /// As the program says it: `15.18 (Debian 15.18-0+deb12u1)`.
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
}

impl Binaries {
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The installation in `folder`; `None` where there is none.
    async fn of(folder: &Path) -> Option<Self> {
        let folder = fs::canonicalize(folder).ok()?;
        if !folder.join("initdb").is_file() {
            return None;
        }
        let answer = Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .await
            .ok()?;
        let (major, version) = parse(&String::from_utf8_lossy(&answer.stdout))?;
        Some(Self {
            major,
            version,
            folder,
        })
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` as 15 and the text from there.
fn parse(text: &str) -> Option<(u32, String)> {
    let version = text.trim().strip_prefix("postgres (PostgreSQL) ")?;
    let digits = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    Some((version[..digits].parse().ok()?, version.to_owned()))
}

/// Every installation found, the highest version first; only the named folder's
/// where one is named.
///
/// # Errors
/// The named folder has no PostgreSQL.
pub(crate) async fn find(named: Option<&Path>) -> anyhow::Result<Vec<Binaries>> {
    if let Some(folder) = named {
        let binaries = Binaries::of(folder).await;
        let named = binaries
            .with_context(|| format!("no `initdb` and `postgres` in {}", folder.display()))?;
        return Ok(vec![named]);
    }
    let mut found = Vec::new();
    for folder in folders(crate::config::search_path().as_deref()) {
        found.extend(Binaries::of(&folder).await);
    }
    found.sort_by(|a, b| b.cmp(a));
    found.dedup();
    Ok(found)
}

fn folders(search_path: Option<&OsStr>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = search_path
        .iter()
        .flat_map(std::env::split_paths)
        .filter(|path| path.is_absolute())
        .collect();
    for (parent, rest) in FOLDERS {
        let Ok(children) = fs::read_dir(parent) else {
            continue;
        };
        for child in children.flatten() {
            let name = child.file_name();
            let name = name.to_string_lossy();
            let versioned = name.starts_with(|c: char| c.is_ascii_digit());
            if versioned || name.starts_with("pgsql") || name.starts_with("postgresql") {
                folders.push(child.path().join(rest));
            }
        }
    }
    folders
}

/// The installation for a new cluster, or for one that major version `existing` made.
///
/// # Errors
/// There are installations, but none that fits; the message names the versions.
pub(crate) fn choose(
    found: &[Binaries],
    existing: Option<u32>,
) -> anyhow::Result<Option<Binaries>> {
    let Some(major) = existing else {
        let supported = found
            .iter()
            .find(|binaries| SUPPORTED.contains(&binaries.major));
        if let (None, Some(other)) = (supported, found.first()) {
            bail!(
                "PostgreSQL {} in {} is not supported, {} to {} are",
                other.version,
                other.folder.display(),
                SUPPORTED.start(),
                SUPPORTED.end(),
            );
        }
        return Ok(supported.cloned());
    };
    if let Some(same) = found.iter().find(|binaries| binaries.major == major) {
        return Ok(Some(same.clone()));
    }
    let there: Vec<String> = found
        .iter()
        .map(|binaries| format!("{} in {}", binaries.major, binaries.folder.display()))
        .collect();
    let there = if there.is_empty() {
        "none".to_owned()
    } else {
        there.join(", ")
    };
    bail!(
        "the cluster was made by PostgreSQL {major}, and what is installed here is: {there}; \
         install PostgreSQL {major}, name its folder with --postgres-bin, or move the entries \
         with pg_upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(major: u32) -> Binaries {
        Binaries {
            major,
            version: format!("{major}.1"),
            folder: PathBuf::from(format!("/pg{major}")),
        }
    }

    #[test]
    fn versions_are_read() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(
            parse(debian),
            Some((15, "15.18 (Debian 15.18-0+deb12u1)".to_owned()))
        );
        assert_eq!(parse("postgres (PostgreSQL) 18beta1").unwrap().0, 18);
        assert_eq!(parse("mysqld 8"), None);
    }

    #[test]
    fn the_cluster_decides_the_version_and_a_new_one_takes_the_highest() {
        let found = [installation(19), installation(17), installation(15)];
        assert_eq!(choose(&found, None).unwrap().unwrap().major, 17);
        assert_eq!(choose(&found, Some(15)).unwrap().unwrap().major, 15);
        let refused = choose(&found, Some(14)).unwrap_err().to_string();
        assert!(
            refused.contains("PostgreSQL 14") && refused.contains("15 in /pg15"),
            "{refused}"
        );
        assert_eq!(choose(&[], None).unwrap(), None);
        assert!(choose(&[installation(14)], None).is_err());
    }
}
