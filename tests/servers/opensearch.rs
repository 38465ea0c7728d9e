//! OpenSearch for the tests, without its security plugin: a container, or a process from the
//! distribution that its own integration tests use, which holds the core and no other module.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use testcontainers::ImageExt as _;
use tokio::process::Command;

use crate::containers::{self, Image};
use crate::process::{self, Process};
use crate::running::{self, Running};
use crate::{Site, cache, packages, say};

pub(crate) const IMAGE: Image = Image {
    name: "opensearchproject/opensearch",
    tag: "2.19.5",
    port: 9200,
};
const ARTIFACT: &str = "org.opensearch.distribution.integ-test-zip:opensearch:2.19.5:zip";
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";
const VERSION: &str = "opensearch-2.19.5";
const SHA256: &str = "caccd4ab24c88a9278922ef626cd1d92990427aa3a3063f9278200d86dbf49b3";
const SETTINGS: [(&str, &str); 3] = [
    ("discovery.type", "single-node"),
    // A full disk is for the tests to report, not for the server to stop writing at 95 %.
    ("cluster.routing.allocation.disk.threshold_enabled", "false"),
    ("action.auto_create_index", "false"),
];

pub(crate) async fn start(site: &Site, heap: &str) -> anyhow::Result<Running> {
    let heap = format!("-Xms{heap} -Xmx{heap}");
    if site.docker && containers::has(IMAGE, &site.stop).await {
        let request = SETTINGS
            .iter()
            .fold(IMAGE.request(), |request, (name, value)| {
                request.with_env_var(*name, *value)
            })
            .with_env_var("DISABLE_SECURITY_PLUGIN", "true")
            .with_env_var("DISABLE_INSTALL_DEMO_CONFIG", "true")
            .with_env_var("OPENSEARCH_JAVA_OPTS", heap);
        let (container, address) = containers::start(IMAGE, request).await?;
        let url = format!("http://{address}");
        return match running::answers(&health(&url), |_| true).await {
            Ok(()) => Ok(Running::container(url, container)),
            Err(_) => Err(containers::silent(container).await),
        };
    }
    let zip = distribution(site).await?;
    let folder = site.folder.of("opensearch")?;
    let home = unpack(&zip, &folder, site).await?;
    let [port, transport] = system::free_ports()?;
    configure(&home, port, transport)?;
    let java = packages::java(&site.stop)
        .await
        .context("no Java 17 to 23")?;
    let mut command = Command::new("bash");
    command
        .arg(home.join("bin/opensearch"))
        .env("OPENSEARCH_JAVA_HOME", java)
        .env("OPENSEARCH_JAVA_OPTS", heap)
        .env("OPENSEARCH_TMPDIR", home.join("tmp"))
        .env("HOME", &home)
        .current_dir(&home);
    if rustix::process::geteuid().is_root() {
        // It refuses root.
        let (user, group) = unprivileged(site).await?;
        own(&home, user, group)?;
        command.uid(user).gid(group);
    }
    let url = format!("http://127.0.0.1:{port}");
    let process = Process::start("OpenSearch", &mut command, &folder.join("log"))?;
    let process = process.ready(&health(&url), |_| true, &site.stop).await?;
    Ok(Running::process(url, process))
}

fn health(url: &str) -> String {
    format!("{url}/_cluster/health?wait_for_status=yellow&timeout=1s")
}

/// The distribution's file, fetched at the first run.
async fn distribution(site: &Site) -> anyhow::Result<PathBuf> {
    let name = format!("{VERSION}.zip");
    let folder = cache::folder(VERSION, async |folder: &Path| {
        say("fetching OpenSearch, once");
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", COPY]).current_dir(folder);
        maven.arg(format!("-Dartifact={ARTIFACT}"));
        maven.arg(format!("-DoutputDirectory={}", folder.display()));
        process::run(&mut maven, &site.stop).await?;
        Ok(())
    });
    let file = folder.await?.join(name);
    let bytes = std::fs::read(&file)?;
    let digest = <[u8; 32]>::from(Sha256::digest(&bytes));
    let digest = digest.map(|byte| format!("{byte:02x}")).concat();
    if digest != SHA256 {
        bail!(
            "{} is not what it should be: remove its folder",
            file.display()
        );
    }
    Ok(file)
}

async fn unpack(zip: &Path, folder: &Path, site: &Site) -> anyhow::Result<PathBuf> {
    let python = packages::python(&site.stop).await;
    let (python, _) = python.context("no Python to unpack OpenSearch with")?;
    let mut unpack = Command::new(python);
    unpack.args(["-m", "zipfile", "-e"]).arg(zip).arg(folder);
    process::run(&mut unpack, &site.stop).await?;
    let home = folder.join(VERSION);
    for entry in std::fs::read_dir(home.join("bin"))? {
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(entry?.path(), executable)?;
    }
    std::fs::create_dir(home.join("tmp"))?;
    Ok(home)
}

fn configure(home: &Path, http: u16, transport: u16) -> anyhow::Result<()> {
    use std::fmt::Write as _;
    let mut text =
        format!("network.host: 127.0.0.1\nhttp.port: {http}\ntransport.port: {transport}\n");
    for (name, value) in SETTINGS {
        writeln!(text, "{name}: {value}")?;
    }
    std::fs::write(home.join("config/opensearch.yml"), text)?;
    Ok(())
}

/// The account and group that own nothing.
async fn unprivileged(site: &Site) -> anyhow::Result<(u32, u32)> {
    let mut ids = [0; 2];
    for (id, option) in ids.iter_mut().zip(["-u", "-g"]) {
        let mut command = Command::new("id");
        let text = process::run(command.args([option, "nobody"]), &site.stop).await?;
        *id = text.trim().parse()?;
    }
    Ok((ids[0], ids[1]))
}

/// Gives a whole tree to an account.
fn own(path: &Path, user: u32, group: u32) -> anyhow::Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(group))?;
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            own(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}
