//! The cluster on the disk: where it is, how it is made so that a kill in the
//! middle leaves nothing half, and the files in it that are ours. It never
//! starts the server.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};

use crate::account::{self, Account};
use crate::binaries::Binaries;
use crate::durable;
use crate::server::Note;
use crate::settings::{self, Machine};

/// The role that owns everything in the cluster; used to make the other.
pub(crate) const SUPERUSER: &str = "postgres";
/// The services' role, and their database.
pub(crate) const ROLE: &str = "veritrail";
pub(crate) const DATABASE: &str = "veritrail";

const NAME: &str = "postgres";
/// Where clusters go whose own data directory the server's account cannot reach.
const ELSEWHERE: &str = "/var/lib/veritrail";
/// The kernel's limit for the path of a socket is 104 bytes with the closing
/// zero on macOS, 108 on Linux.
const SOCKET_PATH_BYTES: usize = 103;

/// A cluster that was made completely.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Its real place, free of links.
    pub(crate) path: PathBuf,
    pub(crate) account: Account,
}

/// The major version that made the cluster of `data`; `None` where there is none.
pub(crate) fn version(data: &Path) -> anyhow::Result<Option<u32>> {
    let Some(text) = durable::read(&data.join(NAME).join("PG_VERSION"))? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&text);
    let version = text.trim().split('.').next().unwrap_or_default().parse();
    Ok(Some(version.with_context(|| {
        format!("PG_VERSION of the cluster says {text:?}")
    })?))
}

/// The cluster of `data`.
pub(crate) async fn existing(data: &Path) -> anyhow::Result<Cluster> {
    let name = data.join(NAME);
    let path =
        fs::canonicalize(&name).with_context(|| format!("cannot find {}", name.display()))?;
    let owner = fs::metadata(&path)?.uid();
    let own = rustix::process::geteuid();
    if !own.is_root() && owner != own.as_raw() {
        bail!(
            "{} belongs to user {owner}: run as that user or as root",
            path.display()
        );
    }
    if owner == 0 {
        bail!(
            "{} belongs to root, and PostgreSQL does not run as root",
            path.display()
        );
    }
    Ok(Cluster {
        path,
        account: account::with_uid(owner).await?,
    })
}

/// Makes the cluster of `data`. It is made under another name and renamed when
/// it is complete and synced, so that after a kill there is a cluster or none.
pub(crate) async fn create(
    data: &Path,
    binaries: &Binaries,
    note: Note<'_>,
) -> anyhow::Result<Cluster> {
    discard_unfinished(data)?;
    let account = account::for_server().await?;
    let unique = uuid::Uuid::now_v7().simple().to_string();
    let unfinished = data.join(format!("{NAME}.init-{unique}"));
    let place = if account.reaches(data).await? {
        unfinished.clone()
    } else {
        let place = elsewhere(&account, &unfinished, &unique).await?;
        let account = &account.name;
        note(&format!(
            "{account} does not reach the data directory: the cluster is in {}",
            place.display()
        ));
        place
    };
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&place)
        .with_context(|| format!("cannot create {}", place.display()))?;
    account.own(&place)?;
    initialise(&account, binaries, &place).await?;
    fs::rename(&unfinished, data.join(NAME)).context("cannot move the new cluster to its place")?;
    durable::sync_folder_of(&unfinished)?;
    existing(data).await
}

/// A place for the cluster that the account reaches, with the link to it laid
/// first, so that an unfinished cluster is found and removed.
async fn elsewhere(account: &Account, link: &Path, unique: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new(ELSEWHERE);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    if !account.reaches(folder).await? {
        bail!(
            "PostgreSQL has to run as {}, which reaches neither the data directory nor {ELSEWHERE}: \
             choose another one with --data",
            account.name,
        );
    }
    let place = folder.join(unique);
    std::os::unix::fs::symlink(&place, link)?;
    durable::sync_folder_of(link)?;
    Ok(place)
}

async fn initialise(account: &Account, binaries: &Binaries, place: &Path) -> anyhow::Result<()> {
    let mut command = account.command(&binaries.program("initdb"));
    command
        .arg("--pgdata")
        .arg(place)
        .args([
            "--username",
            SUPERUSER,
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ])
        .args(["--auth-local", "peer", "--auth-host", "reject"])
        // Finds what the disk forgot before a verification wonders about it.
        .arg("--data-checksums")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let answer = command.output().await.context("cannot run initdb")?;
    if !answer.status.success() {
        bail!(
            "initdb failed: {}",
            String::from_utf8_lossy(&answer.stderr).trim()
        );
    }
    Ok(())
}

/// Removes what a start that was killed left. Its initdb may have outlived it
/// and still be writing, so a folder that fills up again is removed again.
fn discard_unfinished(data: &Path) -> anyhow::Result<()> {
    let prefix = format!("{NAME}.init-");
    for entry in fs::read_dir(data)?.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        let path = entry.path();
        if let Ok(target) = fs::read_link(&path) {
            remove_tree(&target)?;
            fs::remove_file(&path)?;
        } else {
            remove_tree(&path)?;
        }
    }
    Ok(())
}

fn remove_tree(path: &Path) -> anyhow::Result<()> {
    let mut last = None;
    for _ in 0..100 {
        match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| io::Error::other("it fills up again"));
    Err(error).with_context(|| format!("cannot remove {}", path.display()))
}

impl Cluster {
    /// Writes the configuration for this machine and this start.
    pub(crate) async fn configure(&self, binaries: &Binaries, socket: &Path) -> anyhow::Result<()> {
        let disk = rustix::fs::statvfs(&self.path).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
        let lz4 = self.knows_lz4(binaries).await?;
        let machine = Machine {
            memory: settings::memory(),
            disk,
            lz4,
        };
        self.write(
            "postgresql.conf",
            &settings::postgresql_conf(socket, machine),
        )?;
        self.write("pg_hba.conf", settings::PG_HBA)?;
        let own = account::own().await?;
        let mut accounts = vec![own.name.as_str()];
        if self.account.name != own.name {
            accounts.push(&self.account.name);
        }
        self.write("pg_ident.conf", &settings::pg_ident(&accounts))
    }

    /// Asks the server's program itself, since how it was built decides.
    async fn knows_lz4(&self, binaries: &Binaries) -> anyhow::Result<bool> {
        let mut command = self.account.command(&binaries.program("postgres"));
        command.arg("-D").arg(&self.path);
        command.args([
            "-c",
            "default_toast_compression=lz4",
            "-C",
            "default_toast_compression",
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command
            .status()
            .await
            .context("cannot run postgres")?
            .success())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path.join(name);
        durable::write(&path, text.as_bytes(), durable::Readers::Owner)?;
        self.account.own(&path)
    }

    /// The private folder of the server's socket: in the data directory where
    /// its path is short enough and the server's account gets there, else in the
    /// system's folder for such things.
    ///
    /// # Errors
    /// The folder is there and somebody else's, or nowhere could it be made.
    pub(crate) async fn socket_folder(&self, data: &Path) -> anyhow::Result<PathBuf> {
        let near = data.join("socket");
        if fits(&near) && self.account.reaches(data).await? {
            return self.private(near);
        }
        let name = format!("veritrail-{:016x}", fingerprint(&self.path));
        let root = rustix::process::geteuid().is_root();
        let runtime = if root {
            Some(PathBuf::from("/run"))
        } else {
            crate::config::runtime_folder()
        };
        for folder in runtime.into_iter().chain([PathBuf::from("/tmp")]) {
            let far = folder.join(&name);
            if fits(&far) && folder.is_dir() && self.account.reaches(&folder).await? {
                return self.private(far);
            }
        }
        bail!("no place for PostgreSQL's socket: the path of the data directory is too long")
    }

    /// Makes `folder`, or checks that it is what was made before: a folder, the
    /// server's account's, closed to everybody else. In /tmp anybody could have
    /// been first.
    fn private(&self, folder: PathBuf) -> anyhow::Result<PathBuf> {
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => self.account.own(&folder)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", folder.display()));
            }
        }
        let there = fs::symlink_metadata(&folder)?;
        let own = rustix::process::geteuid().as_raw();
        if !there.is_dir() || there.permissions().mode() & 0o077 != 0 {
            bail!("{} is no private folder: remove it", folder.display());
        }
        if there.uid() == self.account.uid {
            return Ok(folder);
        }
        if there.uid() == own {
            // Killed between making it and giving it away.
            self.account.own(&folder)?;
            return Ok(folder);
        }
        bail!(
            "{} belongs to user {}: remove it",
            folder.display(),
            there.uid()
        )
    }
}

fn fits(folder: &Path) -> bool {
    let socket = folder.join(format!(".s.PGSQL.{}", crate::postmaster::PORT));
    socket.as_os_str().len() <= SOCKET_PATH_BYTES
}

/// Tells clusters apart in a folder they share (FNV-1a, 64 bits).
fn fingerprint(path: &Path) -> u64 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_do_not_fit_a_socket() {
        assert!(fits(Path::new("/srv/veritrail/socket")));
        assert!(!fits(&Path::new("/").join("x".repeat(90))));
    }
}
