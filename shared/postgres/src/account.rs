//! Whom PostgreSQL runs as. It refuses root, so a root `up` gives it another
//! account and the folders that this account needs. It never changes the owner
//! of anything that it did not make.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// The system account that a PostgreSQL process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// This process's account.
pub(crate) async fn own() -> anyhow::Result<Account> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let name = id(&["-un"])
        .await?
        .context("this process's user has no name, and PostgreSQL needs one")?;
    Ok(Account { name, uid, gid })
}

/// The account for PostgreSQL: this process's own, or, for root, `postgres`
/// where the package made it, else `nobody`.
pub(crate) async fn for_server() -> anyhow::Result<Account> {
    if !rustix::process::geteuid().is_root() {
        return own().await;
    }
    for name in ["postgres", "nobody"] {
        if let Some(account) = named(name).await? {
            return Ok(account);
        }
    }
    bail!("PostgreSQL does not run as root, and there is no account `postgres` or `nobody`")
}

/// The account of that name; `None` where there is none or it is root's.
async fn named(name: &str) -> anyhow::Result<Option<Account>> {
    let (Some(uid), Some(gid)) = (id(&["-u", name]).await?, id(&["-g", name]).await?) else {
        return Ok(None);
    };
    let (uid, gid) = (uid.parse()?, gid.parse()?);
    Ok(Some(Account {
        name: name.to_owned(),
        uid,
        gid,
    })
    .filter(|account| account.uid != 0))
}

/// The account that owns a cluster, which a later start keeps.
pub(crate) async fn with_uid(uid: u32) -> anyhow::Result<Account> {
    let key = uid.to_string();
    let name = id(&["-un", &key]).await?;
    let gid = id(&["-g", &key]).await?;
    let (Some(name), Some(gid)) = (name, gid) else {
        bail!("user {uid} is not known here")
    };
    Ok(Account {
        name,
        uid,
        gid: gid.parse()?,
    })
}

/// Asks `id`, which knows every source of accounts that the system uses.
async fn id(arguments: &[&str]) -> anyhow::Result<Option<String>> {
    let command = Command::new("id")
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .await;
    let answer = command.context("cannot run `id`")?;
    let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    Ok(Some(text).filter(|text| answer.status.success() && !text.is_empty()))
}

impl Account {
    /// A command that runs as this account, away from the terminal's signals:
    /// Ctrl-C is for `up`, which stops PostgreSQL after those who use it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .process_group(0)
            .stdin(Stdio::null())
            .current_dir("/")
            .env("LC_ALL", "C");
        // Neither another cluster's whereabouts nor anybody's secret.
        for name in [
            "PGDATA",
            "PGHOST",
            "PGPORT",
            "PGOPTIONS",
            "VERITRAIL_DATABASE_URL",
            "VERITRAIL_API_KEY",
        ] {
            command.env_remove(name);
        }
        if rustix::process::geteuid().is_root() && self.uid != 0 {
            // Setting the user also drops root's supplementary groups.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Whether the account gets into `folder`, asked of the system itself, since
    /// modes are not all that decides it.
    pub(crate) async fn reaches(&self, folder: &Path) -> anyhow::Result<bool> {
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", r#"cd "$1""#, "sh"]).arg(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command
            .status()
            .await
            .context("cannot run /bin/sh")?
            .success())
    }

    /// Gives a folder or file that this program just made to the account.
    pub(crate) fn own(&self, path: &Path) -> anyhow::Result<()> {
        if rustix::process::geteuid().as_raw() == self.uid {
            return Ok(());
        }
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("cannot give {} to {}", path.display(), self.name))
    }
}
