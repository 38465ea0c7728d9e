//! The settings of the PostgreSQL that `up` starts, as text. It writes nothing
//! and decides from numbers it is given.

use std::fmt::Write as _;
use std::path::Path;

const MIB: u64 = 1024 * 1024;

/// What the settings depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// Bytes of memory that this process may count on.
    pub(crate) memory: u64,
    /// Bytes free where the cluster is.
    pub(crate) disk: u64,
    /// Whether PostgreSQL was built with lz4.
    pub(crate) lz4: bool,
}

/// `postgresql.conf`, written anew at each start; `local.conf` beside it is the
/// owner's and wins.
pub(crate) fn postgresql_conf(socket: &Path, machine: Machine) -> String {
    let buffers = (machine.memory / 8 / MIB).clamp(64, 2048);
    let wal = (machine.disk / 8 / MIB).clamp(512, 4096);
    let (wal_compression, toast) = if machine.lz4 {
        ("lz4", "lz4")
    } else {
        ("on", "pglz")
    };
    let socket = quoted(&socket.display().to_string());
    let settings: &[Group<'_>] = &[
        (
            "Reached through a socket in a private folder only, never through the network.",
            &[
                ("listen_addresses", "''".to_owned()),
                ("unix_socket_directories", socket),
                ("unix_socket_permissions", "0700".to_owned()),
                ("port", crate::postmaster::PORT.to_string()),
            ],
        ),
        (
            "An entry is acknowledged when it is on the disk. These are the defaults; they stand\n\
             # here because everything rests on them.",
            &[
                ("fsync", "on".to_owned()),
                ("full_page_writes", "on".to_owned()),
                ("synchronous_commit", "on".to_owned()),
            ],
        ),
        (
            "The first write to a page after a checkpoint costs the whole page in the WAL, so\n\
             # checkpoints are far apart and the pages compressed. An eighth of the free disk at most.\n\
             # A quarter of it stays to be written again: a new file is zeroed while appends wait.",
            &[
                ("checkpoint_timeout", "15min".to_owned()),
                ("checkpoint_completion_target", "0.9".to_owned()),
                ("max_wal_size", format!("{wal}MB")),
                ("min_wal_size", format!("{}MB", wal / 4)),
                ("wal_compression", wal_compression.to_owned()),
            ],
        ),
        (
            "Entries are long texts: lz4 packs them several times faster than pglz.",
            &[("default_toast_compression", toast.to_owned())],
        ),
        (
            "An eighth of the memory; the system's own cache does the rest.",
            &[("shared_buffers", format!("{buffers}MB"))],
        ),
        (
            "Statements are short and by key: compiling or spreading them costs more than it saves.",
            &[
                ("jit", "off".to_owned()),
                ("max_parallel_workers_per_gather", "0".to_owned()),
            ],
        ),
        (
            "An open transaction keeps the chains' heads from being cleaned up, and slows appending.",
            &[("idle_in_transaction_session_timeout", "60s".to_owned())],
        ),
        (
            "Statements and details can contain what people did: the log says what failed, not with what.",
            &[
                ("log_min_error_statement", "panic".to_owned()),
                ("log_error_verbosity", "terse".to_owned()),
                // "Already exists, skipping" is no news.
                ("client_min_messages", "warning".to_owned()),
                ("log_line_prefix", "'%m [%p] %q%a '".to_owned()),
                ("log_timezone", "'UTC'".to_owned()),
                ("timezone", "'UTC'".to_owned()),
                ("lc_messages", "'C'".to_owned()),
                ("cluster_name", "'veritrail'".to_owned()),
            ],
        ),
    ];
    written(settings)
}

/// Settings, and the reason for them.
type Group<'a> = (&'a str, &'a [(&'a str, String)]);

fn written(settings: &[Group<'_>]) -> String {
    let mut text = String::new();
    text.push_str("# Written by `veritrail up` at each start. Your own settings go into local.conf beside it.\n");
    for (reason, group) in settings {
        let _ = write!(text, "\n# {reason}\n");
        for (name, value) in *group {
            let _ = writeln!(text, "{name} = {value}");
        }
    }
    text.push_str("\ninclude_if_exists = 'local.conf'\n");
    text
}

/// Who may connect: this account, through the socket, as the system tells.
pub(crate) const PG_HBA: &str = "\
# Written by `veritrail up` at each start.
local all all peer map=veritrail
";

/// The account that runs `up`, and the one that PostgreSQL runs as, are both
/// database roles.
pub(crate) fn pg_ident(accounts: &[&str]) -> String {
    let mut text = String::from("# Written by `veritrail up` at each start.\n");
    for account in accounts {
        for role in [crate::cluster::SUPERUSER, crate::cluster::ROLE] {
            let _ = writeln!(text, "veritrail \"{account}\" {role}");
        }
    }
    text
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Memory in bytes: the machine's or the container's, whichever is less; 2 GiB
/// where neither is told.
pub(crate) fn memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
                .map(|kib| kib * 1024)
        });
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| text.trim().parse::<u64>().ok());
    [machine, container]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(2048 * MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_follow_the_machine() {
        let small = Machine {
            memory: 256 * MIB,
            disk: 1024 * MIB,
            lz4: false,
        };
        let text = postgresql_conf(Path::new("/it's/socket"), small);
        for line in [
            "shared_buffers = 64MB",
            "max_wal_size = 512MB",
            "wal_compression = on",
            "unix_socket_directories = '/it''s/socket'",
            "synchronous_commit = on",
        ] {
            assert!(text.lines().any(|there| there == line), "{line} in\n{text}");
        }
        let large = Machine {
            memory: 64 * 1024 * MIB,
            disk: 1024 * 1024 * MIB,
            lz4: true,
        };
        let text = postgresql_conf(Path::new("/s"), large);
        assert!(text.contains("shared_buffers = 2048MB") && text.contains("max_wal_size = 4096MB"));
        assert!(text.contains("default_toast_compression = lz4"));
    }
}
