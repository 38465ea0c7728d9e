//! Installing PostgreSQL through the system's package manager, or saying
//! exactly what to install. It never asks anything, and never leaves a server
//! of the package's own running.

use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::server::Note;

/// Debian's package makes and starts a cluster of its own. A setting that is
/// there while the package is installed keeps it from doing so; the shell takes
/// it back whatever becomes of this process.
const DEBIAN: &str = "
set -e
folder=/etc/postgresql-common/createcluster.d
trap 'rm -f $folder/veritrail.conf' EXIT
mkdir -p $folder
echo 'create_main_cluster = false' > $folder/veritrail.conf
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends postgresql
";

struct Manager {
    program: &'static str,
    /// Each a command line that never asks.
    steps: &'static [&'static [&'static str]],
    /// What a person would type.
    advice: &'static str,
    needs_root: bool,
}

const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        steps: &[&["sh", "-c", DEBIAN]],
        advice: "apt-get update && apt-get install --no-install-recommends postgresql",
        needs_root: true,
    },
    Manager {
        program: "dnf",
        steps: &[&[
            "dnf",
            "install",
            "-y",
            "-q",
            "--refresh",
            "postgresql-server",
        ]],
        advice: "dnf install postgresql-server",
        needs_root: true,
    },
    Manager {
        program: "apk",
        steps: &[&["apk", "add", "--quiet", "--update-cache", "postgresql"]],
        advice: "apk add --update-cache postgresql",
        needs_root: true,
    },
    Manager {
        program: "pacman",
        steps: &[&["pacman", "-Sy", "--noconfirm", "--needed", "postgresql"]],
        advice: "pacman -Sy postgresql",
        needs_root: true,
    },
    Manager {
        program: "brew",
        steps: &[
            &["brew", "update", "--quiet"],
            &["brew", "install", "--quiet", "postgresql@17"],
        ],
        advice: "brew install postgresql@17",
        // Homebrew refuses root.
        needs_root: false,
    },
];

/// Installs PostgreSQL.
///
/// # Errors
/// It may not, cannot, or was told not to; the message says what to install.
pub(crate) async fn postgresql(note: Note<'_>, allowed: bool) -> anyhow::Result<()> {
    let Some(manager) = MANAGERS.iter().find(|manager| is_there(manager.program)) else {
        bail!(
            "PostgreSQL is not installed: install PostgreSQL 15, 16, 17 or 18, or name its folder with --postgres-bin"
        );
    };
    let advice = format!(
        "PostgreSQL is not installed: run `{}{}`, or name its folder with --postgres-bin",
        if manager.needs_root { "sudo " } else { "" },
        manager.advice,
    );
    let root = rustix::process::geteuid().is_root();
    let prefix: &[&str] = match (manager.needs_root, root) {
        _ if !allowed => bail!(advice),
        (true, false) if may_sudo().await => &["sudo", "-n"],
        (true, false) | (false, true) => bail!(advice),
        _ => &[],
    };
    note(&format!(
        "PostgreSQL is missing: installing it with {}",
        manager.program
    ));
    for step in manager.steps {
        let line: Vec<&str> = prefix.iter().chain(*step).copied().collect();
        run(&line).await.context(advice.clone())?;
    }
    Ok(())
}

fn is_there(program: &str) -> bool {
    let path = crate::config::search_path();
    path.iter()
        .flat_map(std::env::split_paths)
        .any(|folder| folder.join(program).is_file())
}

/// Whether root's rights can be had without a question.
async fn may_sudo() -> bool {
    if !is_there("sudo") {
        return false;
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    sudo.status().await.is_ok_and(|status| status.success())
}

async fn run(line: &[&str]) -> anyhow::Result<()> {
    let (program, arguments) = line.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let answer = command
        .output()
        .await
        .with_context(|| format!("cannot run {program}"))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    bail!("{program} failed ({}): {}", answer.status, last.join("; "))
}
