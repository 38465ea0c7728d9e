//! The programs that the servers need as processes: found, or installed through the system's package
//! manager without a question. PostgreSQL is not here: crate `postgres` finds and installs it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, Name};
use crate::{Site, containers, localstack, opensearch, process, say};

/// OpenSearch 2 needs 11, and a security manager, which 24 has no more.
const JAVA: std::ops::RangeInclusive<u32> = 17..=23;
/// Folders with one Java each.
const JAVA_FOLDERS: [&str; 4] = [
    "/usr/lib/jvm",
    "/Library/Java/JavaVirtualMachines",
    "/opt/homebrew/opt",
    "/usr/local/opt",
];

struct Manager {
    program: &'static str,
    script: &'static str,
    needs_root: bool,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "apt-get",
        script: "export DEBIAN_FRONTEND=noninteractive
            apt-get update -qq
            install() { apt-get install -y -qq --no-install-recommends \"$@\"; }
            install openjdk-17-jre-headless || install openjdk-21-jre-headless
            install maven python3-venv",
        needs_root: true,
    },
    Manager {
        program: "dnf",
        script: "dnf install -y -q java-17-openjdk-headless || dnf install -y -q java-21-openjdk-headless
            dnf install -y -q maven python3 procps-ng",
        needs_root: true,
    },
    Manager {
        program: "apk",
        script: "apk add --quiet --update-cache bash openjdk17-jre-headless maven python3",
        needs_root: true,
    },
    Manager {
        program: "pacman",
        script: "pacman -Sy --noconfirm --needed jre17-openjdk-headless maven python",
        needs_root: true,
    },
    Manager {
        program: "brew",
        script: "brew install --quiet openjdk@17 maven python@3.12",
        // Homebrew refuses root.
        needs_root: false,
    },
];

/// Installs what the wanted servers need and what is not there.
///
/// # Errors
/// It may not or cannot; the message says what is missing.
pub(crate) async fn install(config: &Config, site: &Site) -> anyhow::Result<()> {
    let native = async |name, url: &Option<String>, image| {
        config.wants(name)
            && url.is_none()
            && !(site.docker && containers::has(image, &site.stop).await)
    };
    let localstack = native(Name::Localstack, &config.localstack_url, localstack::IMAGE).await;
    let opensearch = native(Name::Opensearch, &config.opensearch_url, opensearch::IMAGE).await;
    let mut missing = Vec::new();
    if (localstack || opensearch) && python(&site.stop).await.is_none() {
        missing.push("Python 3.10 or newer with venv");
    }
    if opensearch && java(&site.stop).await.is_none() {
        missing.push("Java 17");
    }
    if opensearch && config::on_path("mvn").is_empty() {
        missing.push("Maven");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    let found = MANAGERS
        .iter()
        .find(|manager| !config::on_path(manager.program).is_empty());
    let Some(manager) = found else {
        bail!("missing: {missing}");
    };
    say(&format!(
        "{missing} missing: installing with {}",
        manager.program
    ));
    let root = rustix::process::geteuid().is_root();
    let mut command = if manager.needs_root && !root {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        sudo
    } else {
        Command::new("sh")
    };
    command.args(["-e", "-c", manager.script]);
    let installed = process::run(&mut command, &site.stop).await;
    installed.with_context(|| format!("missing: {missing}"))?;
    Ok(())
}

/// A Python that makes virtual environments, and its version.
pub(crate) async fn python(stop: &CancellationToken) -> Option<(PathBuf, String)> {
    const ASK: &str = "import sys, venv, ensurepip
assert sys.version_info >= (3, 10)
print(sys.version)";
    // The newest release last: the pinned packages may have nothing built for it yet.
    let names = [
        "python3.11",
        "python3.12",
        "python3.13",
        "python3.10",
        "python3",
    ];
    for python in names.iter().flat_map(|name| config::on_path(name)) {
        let mut command = Command::new(&python);
        if let Ok(version) = process::run(command.args(["-c", ASK]), stop).await {
            return Some((python, version));
        }
    }
    None
}

/// The home of a Java that runs OpenSearch.
pub(crate) async fn java(stop: &CancellationToken) -> Option<PathBuf> {
    let mut homes: Vec<_> = config::java_home().into_iter().collect();
    for java in config::on_path("java") {
        // /usr/bin/java is a link to a link into the home.
        let real = std::fs::canonicalize(java).ok();
        let home = real.as_deref().and_then(|java| java.ancestors().nth(2));
        homes.extend(home.map(Path::to_owned));
    }
    for folder in JAVA_FOLDERS {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            homes.push(entry.path());
            homes.push(entry.path().join("Contents/Home"));
        }
    }
    for home in homes {
        if major(&home, stop)
            .await
            .is_some_and(|major| JAVA.contains(&major))
        {
            return Some(home);
        }
    }
    None
}

/// The major version of the Java at this place, as it says itself: `java.version = 17.0.15`.
async fn major(home: &Path, stop: &CancellationToken) -> Option<u32> {
    let java = home.join("bin/java");
    if !java.is_file() {
        return None;
    }
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#""$1" -XshowSettings:properties -version 2>&1"#,
        "sh",
    ]);
    let text = process::run(command.arg(java), stop).await.ok()?;
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("java.specification.version = "))?;
    line.trim().parse().ok()
}
